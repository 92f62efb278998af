# What the provider would have read from AWS.

mock_data "aws_partition" {
  defaults = { partition = "aws", reverse_dns_prefix = "com.amazonaws" }
}

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

mock_data "aws_iam_policy_document" {
  defaults = { json = "{}" }
}

mock_data "aws_availability_zones" {
  defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
}

mock_data "aws_subnet" {
  defaults = { availability_zone = "eu-central-1a" }
}

mock_data "aws_ec2_instance_type_offerings" {
  defaults = {
    instance_types = ["m6i.large", "m6i.xlarge", "r6id.large", "g5.xlarge"]
    locations      = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  }
}

mock_data "aws_vpc_endpoint_service" {
  defaults = {
    service_name       = "com.amazonaws.eu-central-1.service"
    availability_zones = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  }
}
