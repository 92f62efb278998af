output "repository_url" {
  description = "The repository, as EXPLORER_BATCH__IMAGE has it."
  value       = aws_ecr_repository.this.repository_url
}

output "repository_arn" {
  description = "ARN of the repository."
  value       = aws_ecr_repository.this.arn
}
