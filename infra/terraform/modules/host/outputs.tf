output "instance_id" {
  description = "Of the host."
  value       = aws_instance.host.id
}

output "instance_arn" {
  description = "Its ARN."
  value       = aws_instance.host.arn
}

output "subnet_id" {
  description = "Where it is."
  value       = aws_instance.host.subnet_id
}

output "token_parameter" {
  description = "The SSM parameter with JupyterLab's token; \"pending\" until the host has started."
  value       = aws_ssm_parameter.token.name
}

output "token_parameter_arn" {
  description = "Its ARN."
  value       = aws_ssm_parameter.token.arn
}

output "role_arn" {
  description = "The role of the host."
  value       = aws_iam_role.host.arn
}

output "user_data" {
  description = "What cloud-init is given."
  value       = local.user_data
}
