output "vpc_id" {
  description = "The VPC, made or given."
  value       = local.own ? aws_vpc.this[0].id : var.existing.vpc_id
}

output "subnet_ids" {
  description = "Subnets of the machines."
  value       = local.own ? aws_subnet.this[*].id : var.existing.subnet_ids
}

output "security_group_id" {
  description = "Security group of the machines: no way in."
  value       = aws_security_group.jobs.id
}
