# Networks: made with a way out, made without, and given.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name     = "demo"
  existing = null
  cidr     = "10.42.0.0/16"
  zones    = 2
  private  = false
}

run "public_network" {
  command = plan

  module {
    source = "./modules/network"
  }

  assert {
    condition     = aws_subnet.this[*].cidr_block == ["10.42.0.0/19", "10.42.32.0/19"]
    error_message = "One subnet a zone."
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 0 && length(aws_vpc_endpoint.s3) == 1
    error_message = "S3's endpoint is free; the others are not."
  }

  assert {
    condition     = !can(regex("[^a-zA-Z0-9 ._:/()#,@=+&;{}!$*-]", aws_security_group.jobs.description))
    error_message = "EC2 refuses other characters in a group's description."
  }
}

run "private_network" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    private = true
  }

  assert {
    condition     = length(aws_internet_gateway.this) == 0 && length(aws_route.out) == 0
    error_message = "A private network has no way out."
  }

  assert {
    condition     = alltrue([for each in aws_subnet.this : !each.map_public_ip_on_launch])
    error_message = "Machines of a private network have no public addresses."
  }

  # Without one of these a machine never joins its cluster, or pulls no image: its jobs stay RUNNABLE.
  assert {
    condition = length(setsubtract(
      ["ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "logs"],
      keys(aws_vpc_endpoint.interface),
    )) == 0
    error_message = "The agent needs all of its endpoints."
  }

  assert {
    condition     = !can(regex("[^a-zA-Z0-9 ._:/()#,@=+&;{}!$*-]", aws_security_group.endpoints[0].description))
    error_message = "EC2 refuses other characters in a group's description."
  }
}

run "service_that_is_not_in_every_zone" {
  # Of the mocked provider: a plan does not know the subnets yet.
  command = apply

  module {
    source = "./modules/network"
  }

  variables {
    private = true
  }

  override_data {
    target = data.aws_vpc_endpoint_service.interface["batch"]
    values = { availability_zones = ["eu-central-1b", "eu-central-1d"] }
  }

  assert {
    condition     = aws_vpc_endpoint.interface["batch"].subnet_ids == toset([aws_subnet.this[1].id])
    error_message = "AWS refuses an endpoint in a zone that its service is not in."
  }

  assert {
    condition     = aws_vpc_endpoint.interface["logs"].subnet_ids == toset(aws_subnet.this[*].id)
    error_message = "Where a service is in each zone, so is its endpoint."
  }
}

run "service_that_is_elsewhere" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    private = true
  }

  override_data {
    target = data.aws_vpc_endpoint_service.interface["batch"]
    values = { availability_zones = ["eu-central-1d"] }
  }

  expect_failures = [aws_vpc_endpoint.interface]
}

run "network_that_is_there" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    existing = { vpc_id = "vpc-1", subnet_ids = ["subnet-1", "subnet-2"] }
  }

  assert {
    condition     = length(aws_vpc.this) + length(aws_subnet.this) + length(aws_vpc_endpoint.s3) == 0
    error_message = "Nothing is made in somebody's network but a security group."
  }

  assert {
    condition     = aws_security_group.jobs.vpc_id == "vpc-1" && output.subnet_ids == tolist(["subnet-1", "subnet-2"])
    error_message = "Machines are where they were told to be."
  }
}
