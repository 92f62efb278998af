# Every validation of a variable refuses what it is there for. test_static.py counts them.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name   = "demo"
  region = "eu-central-1"
}

run "name_too_short" {
  command = plan

  variables {
    name = "a"
  }

  expect_failures = [var.name]
}

run "region_is_a_zone" {
  command = plan

  variables {
    region = "eu-central-1a"
  }

  expect_failures = [var.region]
}

run "network_without_subnets" {
  command = plan

  variables {
    network = { vpc_id = "vpc-1", subnet_ids = [] }
  }

  expect_failures = [var.network]
}

run "cidr_too_small" {
  command = plan

  variables {
    cidr = "10.0.0.0/24"
  }

  expect_failures = [var.cidr]
}

run "cidr_too_large" {
  command = plan

  variables {
    cidr = "10.0.0.0/8"
  }

  expect_failures = [var.cidr]
}

run "zones_none" {
  command = plan

  variables {
    zones = 0
  }

  expect_failures = [var.zones]
}

run "private_in_a_network_that_is_there" {
  command = plan

  variables {
    private = true
    network = { vpc_id = "vpc-1", subnet_ids = ["subnet-1"] }
  }

  expect_failures = [var.private]
}

run "instance_types_of_graviton" {
  command = plan

  variables {
    instance_types = ["m6i", "m7g"]
  }

  expect_failures = [var.instance_types]
}

run "max_vcpus_fraction" {
  command = plan

  variables {
    max_vcpus = 2.5
  }

  expect_failures = [var.max_vcpus]
}

run "gpu_too_few_cpus" {
  command = plan

  variables {
    gpu = { instance_types = ["g5"], max_vcpus = 2 }
  }

  expect_failures = [var.gpu]
}

run "gpu_of_graviton" {
  command = plan

  variables {
    gpu = { instance_types = ["g5g"], max_vcpus = 16 }
  }

  expect_failures = [var.gpu]
}

run "root_smaller_than_its_image" {
  command = plan

  variables {
    root_gib = 8
  }

  expect_failures = [var.root_gib]
}

run "scratch_too_small" {
  command = plan

  variables {
    scratch_gib = 8
  }

  expect_failures = [var.scratch_gib]
}

run "runnable_too_short" {
  command = plan

  variables {
    runnable_minutes = 1
  }

  expect_failures = [var.runnable_minutes]
}

run "data_bucket_with_scheme" {
  command = plan

  variables {
    data_buckets = ["s3://data"]
  }

  expect_failures = [var.data_buckets]
}

run "kms_key_by_alias" {
  command = plan

  variables {
    kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:alias/data"]
  }

  expect_failures = [var.kms_key_arns]
}

run "secret_by_name" {
  command = plan

  variables {
    secret_arns = ["token"]
  }

  expect_failures = [var.secret_arns]
}

run "log_days_that_cloudwatch_does_not_take" {
  command = plan

  variables {
    log_days = 31
  }

  expect_failures = [var.log_days]
}

run "package_days_too_few" {
  command = plan

  variables {
    package_days = 7
  }

  expect_failures = [var.package_days]
}

run "github_by_address" {
  command = plan

  variables {
    github = { repository = "https://github.com/a/b" }
  }

  expect_failures = [var.github]
}

run "github_with_one_number" {
  command = plan

  variables {
    github = { repository = "ada/analyses", owner_id = 123456 }
  }

  expect_failures = [var.github]
}

run "github_with_half_a_number" {
  command = plan

  variables {
    github = { repository = "ada/analyses", owner_id = 123456, repository_id = 0.5 }
  }

  expect_failures = [var.github]
}

run "budget_of_nothing" {
  command = plan

  variables {
    monthly_budget_usd = 0
    budget_mail        = "ada@example.org"
  }

  expect_failures = [var.monthly_budget_usd]
}

run "budget_without_mail" {
  command = plan

  variables {
    monthly_budget_usd = 100
  }

  expect_failures = [var.budget_mail]
}

run "host_of_graviton" {
  command = plan

  variables {
    host = { instance_type = "r7g.large" }
  }

  expect_failures = [var.host]
}

run "host_of_the_first_graviton" {
  command = plan

  variables {
    host = { instance_type = "a1.large" }
  }

  expect_failures = [var.host]
}

run "host_without_nitro" {
  command = plan

  variables {
    host = { instance_type = "t2.large" }
  }

  expect_failures = [var.host]
}

run "host_in_no_subnet" {
  command = plan

  variables {
    host = { subnet = 3 }
  }

  expect_failures = [var.host]
}

run "host_from_a_volume" {
  command = plan

  variables {
    host = { home_snapshot = "vol-0123456789abcdef0" }
  }

  expect_failures = [var.host]
}

run "host_with_a_token" {
  command = plan

  variables {
    host = { reconcile = { repository = "https://token@example.org/a.git" } }
  }

  expect_failures = [var.host]
}

run "host_with_a_password" {
  command = plan

  variables {
    host = { reconcile = { repository = "ssh://git:secret@example.org/a.git" } }
  }

  expect_failures = [var.host]
}

run "host_without_room" {
  command = plan

  variables {
    host = { home_gib = 5 }
  }

  expect_failures = [var.host]
}

run "host_that_never_idles" {
  command = plan

  variables {
    host = { idle_hours = 0.5 }
  }

  expect_failures = [var.host]
}

run "host_with_a_branch_of_shell" {
  command = plan

  variables {
    host = { reconcile = { repository = "https://example.org/a.git", branch = "main; reboot" } }
  }

  expect_failures = [var.host]
}
