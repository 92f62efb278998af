output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this.bucket
}

output "bucket_arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.this.arn
}

output "prefix" {
  description = "Where the store lies in it."
  value       = local.prefix
}

output "uri" {
  description = "The store, as EXPLORER_STORE has it."
  value       = "s3://${aws_s3_bucket.this.bucket}/${local.prefix}"
}
