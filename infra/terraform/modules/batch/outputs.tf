output "queue" {
  description = "Name of the queue."
  value       = aws_batch_job_queue.this.name
}

output "queue_arn" {
  description = "ARN of the queue."
  value       = aws_batch_job_queue.this.arn
}

output "job_role_arn" {
  description = "The role that jobs have."
  value       = aws_iam_role.job.arn
}

output "execution_role_arn" {
  description = "The role that starts containers."
  value       = aws_iam_role.execution.arn
}

output "log_group" {
  description = "CloudWatch log group of the jobs."
  value       = aws_cloudwatch_log_group.jobs.name
}

output "log_group_arn" {
  description = "ARN of that log group."
  value       = aws_cloudwatch_log_group.jobs.arn
}
