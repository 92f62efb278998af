# What the whole stack makes, and leaves out.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name   = "demo"
  region = "eu-central-1"
}

run "whole" {
  command = plan

  assert {
    condition     = output.github_roles == null && length(aws_budgets_budget.month) == 0
    error_message = "Nothing is made that nobody asked for."
  }

  assert {
    condition     = aws_ssm_parameter.config.name == "/explorer/demo/config"
    error_message = "The host looks for its settings under the stack's name."
  }

  assert {
    condition     = output.host.token_parameter == "/explorer/demo/notebook-token"
    error_message = "The token of the host lies under the stack's name."
  }
}

run "without_a_host" {
  command = plan

  variables {
    host = null
  }

  assert {
    condition     = output.host == null && module.policies.host == null && output.notebook_policy == null
    error_message = "Without a host there is none of it."
  }
}

run "everything" {
  command = plan

  variables {
    private            = true
    spot               = false
    gpu                = { instance_types = ["g5"], max_vcpus = 16 }
    github             = { repository = "ada/analyses", owner_id = 123456, repository_id = 1234567890 }
    host               = { instance_type = "t3.large", home_snapshot = "snap-0123456789abcdef0", reconcile = { repository = "ssh://git@example.org:22/a.git" } }
    data_buckets       = ["ada-data"]
    kms_key_arns       = ["arn:aws:kms:eu-central-1:123456789012:key/6e28d2e9-5a1f-4c49-9b0c-3b7d0d2c8f11"]
    secret_arns        = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:token-AbCdEf"]
    monthly_budget_usd = 500
    budget_mail        = "ada@example.org"
  }

  assert {
    condition     = aws_budgets_budget.month[0].limit_amount == "500"
    error_message = "The budget is what was asked for."
  }

  assert {
    condition = toset([
      for each in aws_budgets_budget.month[0].notification : "${each.notification_type} ${each.threshold}"
    ]) == toset(["ACTUAL 80", "ACTUAL 100", "FORECASTED 100"])
    error_message = "A mail comes before the first forecast."
  }
}

# AWS adds types to zones as time goes by, and a host that is there must not move for that.
run "host_where_the_settings_say" {
  command = plan

  variables {
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1", "subnet-2"] }
    host    = { subnet = 1 }
  }

  override_data {
    target = module.network.data.aws_subnet.existing[1]
    values = { availability_zone = "eu-central-1b" }
  }

  assert {
    condition     = module.host[0].subnet_id == "subnet-2"
    error_message = "The host is in the subnet that was named, though the first one's zone has its type as well."
  }
}

run "host_whose_zone_does_not_have_its_type" {
  command = plan

  override_data {
    target = data.aws_ec2_instance_type_offerings.host
    values = { locations = ["eu-central-1b", "eu-central-1c"] }
  }

  expect_failures = [data.aws_ec2_instance_type_offerings.host]
}

run "sovereign_cloud" {
  command = plan

  variables {
    region = "eusc-de-east-1"
  }

  assert {
    condition     = output.explorer.region == "eusc-de-east-1"
    error_message = "Its name is longer than other regions'."
  }
}
