# Where machines are: nothing reaches them from outside; they reach S3 by a gateway endpoint, which is free, and
# AWS's other services by public addresses or, if private, by interface endpoints. A VPC that is there already has
# to have a way out: addresses given at launch, a NAT gateway, or the endpoints below; and S3's gateway endpoint, or
# all data passes through NAT, by the gigabyte.

locals {
  own   = var.existing == null
  names = data.aws_availability_zones.available.names
  zones = slice(local.names, 0, min(var.zones, length(local.names)))

  # What the machines' agent asks for (ECS, images, logs, secrets), then what Systems Manager and explorer do on a
  # host in the same subnets.
  endpoints = [
    "ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "logs", "secretsmanager", "ssm",
    "batch", "ssmmessages", "sts",
  ]
}

data "aws_region" "here" {}

data "aws_partition" "here" {}

data "aws_availability_zones" "available" {
  # checkov:skip=CKV_AWS_394:the first few by name are taken; a new zone gets a later name
  state = "available"

  # Local and Wavelength zones have other machines, at other prices.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }

  # The oldest zone of Virginia has few of the newer types, and not all of the endpoints.
  exclude_zone_ids = ["use1-az3"]
}

# In which zones somebody's subnets are.
data "aws_subnet" "existing" {
  count = local.own ? 0 : length(var.existing.subnet_ids)

  id = var.existing.subnet_ids[count.index]
}

resource "aws_vpc" "this" {
  # checkov:skip=CKV2_AWS_11:flow logs cost more than they tell of machines that nothing reaches
  count = local.own ? 1 : 0

  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = var.name }
}

# The group that AWS makes for each VPC lets its members talk; nobody is to be in it.
resource "aws_default_security_group" "closed" {
  count = local.own ? 1 : 0

  vpc_id = aws_vpc.this[0].id
}

resource "aws_subnet" "this" {
  # checkov:skip=CKV_AWS_130:a public address is the cheap way out to ECR and CloudWatch; nothing may come in
  count = local.own ? length(local.zones) : 0

  vpc_id                  = aws_vpc.this[0].id
  availability_zone       = local.zones[count.index]
  cidr_block              = cidrsubnet(var.cidr, 3, count.index)
  map_public_ip_on_launch = !var.private
  tags                    = { Name = "${var.name}-${local.zones[count.index]}" }
}

resource "aws_internet_gateway" "this" {
  count = local.own && !var.private ? 1 : 0

  vpc_id = aws_vpc.this[0].id
  tags   = { Name = var.name }
}

resource "aws_route_table" "this" {
  count = local.own ? 1 : 0

  vpc_id = aws_vpc.this[0].id
  tags   = { Name = var.name }
}

resource "aws_route" "out" {
  count = local.own && !var.private ? 1 : 0

  route_table_id         = aws_route_table.this[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route_table_association" "this" {
  count = length(aws_subnet.this)

  subnet_id      = aws_subnet.this[count.index].id
  route_table_id = aws_route_table.this[0].id
}

resource "aws_vpc_endpoint" "s3" {
  count = local.own ? 1 : 0

  vpc_id            = aws_vpc.this[0].id
  service_name      = "com.amazonaws.${data.aws_region.here.name}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.this[0].id]
  tags              = { Name = "${var.name}-s3" }
}

# What a service is called, and in which zones it is: not each is in each. China has two ways to call one.
data "aws_vpc_endpoint_service" "interface" {
  for_each = local.own && var.private ? toset(local.endpoints) : []

  service_type = "Interface"

  filter {
    name = "service-name"
    values = distinct([
      for prefix in ["com.amazonaws", data.aws_partition.here.reverse_dns_prefix] :
      "${prefix}.${data.aws_region.here.name}.${each.key}"
    ])
  }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = data.aws_vpc_endpoint_service.interface

  vpc_id            = aws_vpc.this[0].id
  service_name      = each.value.service_name
  vpc_endpoint_type = "Interface"
  # From the other zones it is reached across them: its name is the whole VPC's.
  subnet_ids = [
    for index, zone in local.zones : aws_subnet.this[index].id if contains(each.value.availability_zones, zone)
  ]
  security_group_ids  = [aws_security_group.endpoints[0].id]
  private_dns_enabled = true
  tags                = { Name = "${var.name}-${each.key}" }

  lifecycle {
    precondition {
      condition     = length(setintersection(each.value.availability_zones, local.zones)) > 0
      error_message = "${each.value.service_name} is in none of the zones ${join(", ", local.zones)}: it is in ${join(", ", each.value.availability_zones)}. Use more zones, or a network of your own."
    }
  }
}

resource "aws_security_group" "endpoints" {
  count = local.own && var.private ? 1 : 0

  name        = "${var.name}-endpoints"
  description = "Endpoints of AWS, for the machines of ${var.name}"
  vpc_id      = aws_vpc.this[0].id
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  count = local.own && var.private ? 1 : 0

  security_group_id = aws_security_group.endpoints[0].id
  description       = "HTTPS from the VPC: machines, and a host"
  cidr_ipv4         = aws_vpc.this[0].cidr_block
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_security_group" "jobs" {
  # checkov:skip=CKV2_AWS_5:compute environments use it, in another module
  name        = "${var.name}-jobs"
  description = "Machines of jobs of ${var.name}: nothing comes in"
  vpc_id      = local.own ? aws_vpc.this[0].id : var.existing.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "jobs" {
  # checkov:skip=CKV_AWS_382:jobs fetch data from where scientists publish it
  security_group_id = aws_security_group.jobs.id
  description       = "Out to anywhere"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}
