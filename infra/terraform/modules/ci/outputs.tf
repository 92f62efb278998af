output "provider_arn" {
  description = "The account's OIDC provider for GitHub, made or given."
  value       = local.provider
}

output "plan_role_arn" {
  description = "The role of workflows on pull requests: looks, and writes nothing."
  value       = aws_iam_role.this["plan"].arn
}

output "apply_role_arn" {
  description = "The role of workflows of the environment: submits, and pushes images."
  value       = aws_iam_role.this["apply"].arn
}
