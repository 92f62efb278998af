# A machine needs its way out to join its cluster, and to say that it ends: what is made of these outputs is made after the
# way out, and removed before it.

output "vpc_id" {
  description = "The VPC, made or given."
  value       = local.own ? aws_vpc.this[0].id : var.existing.vpc_id
}

output "subnet_ids" {
  description = "Subnets of the machines."
  value       = local.own ? aws_subnet.this[*].id : var.existing.subnet_ids

  depends_on = [
    aws_route.out,
    aws_route_table_association.this,
    aws_vpc_endpoint.s3,
    aws_vpc_endpoint.interface,
    aws_vpc_security_group_ingress_rule.endpoints,
  ]
}

output "zones" {
  description = "The zone of each of these subnets, in their order."
  value       = local.own ? local.zones : data.aws_subnet.existing[*].availability_zone
}

output "security_group_id" {
  description = "Security group of the machines: no way in."
  value       = aws_security_group.jobs.id

  depends_on = [aws_vpc_security_group_egress_rule.jobs]
}
