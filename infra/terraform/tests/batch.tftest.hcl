# Machines and the queue.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name              = "demo"
  subnet_ids        = ["subnet-1"]
  security_group_id = "sg-1"
  instance_types    = ["m6i"]
  max_vcpus         = 64
  spot              = true
  gpu               = { instance_types = ["g5"], max_vcpus = 16 }
  root_gib          = 40
  scratch_gib       = 100
  runnable_minutes  = 10
  log_days          = 30
  trust             = { job = "{}", execution = "{}", instance = "{}" }
  job_policy        = "{}"
  secrets_policy    = null
  tags              = { "explorer:stack" = "demo" }
}

run "machines" {
  command = plan

  module {
    source = "./modules/batch"
  }

  assert {
    condition     = join(" ", keys(aws_batch_compute_environment.this)) == "gpu on-demand spot"
    error_message = "Spot, On-Demand and those with GPUs."
  }

  assert {
    condition = {
      for key, each in aws_batch_compute_environment.this :
      key => one(one(each.compute_resources).ec2_configuration).image_type
    } == { gpu = "ECS_AL2023_NVIDIA", on-demand = "ECS_AL2023", spot = "ECS_AL2023" }
    error_message = "Amazon Linux 2 is over, and only NVIDIA's image has drivers."
  }

  # A machine that jobs cannot write to, or whose role they get, looks well until somebody looks closely.
  assert {
    condition = alltrue([
      for each in ["chmod 1777", "iptables", "RequiredBy=ecs.service", "Content-Type: multipart/mixed"] :
      strcontains(base64decode(aws_launch_template.this["jobs"].user_data), each)
    ])
    error_message = "User data sets up the disk and the agent, in the form that Batch takes."
  }

  assert {
    condition     = length(base64decode(aws_launch_template.this["jobs"].user_data)) < 16 * 1024
    error_message = "EC2 takes 16 KiB of user data, before base64, and Batch adds to it."
  }

  assert {
    condition     = alltrue([for each in aws_launch_template.this["jobs"].tag_specifications : each.tags["explorer:stack"] == "demo"])
    error_message = "Machines and disks are found on the bill by the stack's tag."
  }

  assert {
    condition = {
      for key, each in aws_launch_template.this : key => [for disk in each.block_device_mappings : one(disk.ebs).volume_size]
    } == { jobs = [40, 100], gpu = [100, 100] }
    error_message = "Images for GPUs need a large root disk."
  }

  assert {
    condition     = alltrue([for each in aws_batch_job_queue.this.job_state_time_limit_action : each.max_time_seconds == 600])
    error_message = "A job that cannot start is given up when it was said."
  }
}

run "on_demand_alone" {
  command = plan

  module {
    source = "./modules/batch"
  }

  variables {
    spot = false
    gpu  = null
  }

  assert {
    condition     = join(" ", keys(aws_batch_compute_environment.this)) == "on-demand"
    error_message = "No Spot machine where none is wanted."
  }
}

run "our_types_that_the_region_has" {
  command = plan

  module {
    source = "./modules/batch"
  }

  variables {
    instance_types = null
  }

  assert {
    condition = alltrue([
      for each in ["spot", "on-demand"] :
      one(aws_batch_compute_environment.this[each].compute_resources).instance_type == toset(["m6i", "r6id"])
    ])
    error_message = "Batch refuses all for one that the region does not have."
  }
}

run "types_that_were_named" {
  command = plan

  module {
    source = "./modules/batch"
  }

  variables {
    instance_types = ["m6i", "r6id.large", "optimal"]
  }

  assert {
    condition     = one(aws_batch_compute_environment.this["spot"].compute_resources).instance_type == toset(["m6i", "r6id.large", "optimal"])
    error_message = "What somebody names is taken."
  }
}

run "a_type_that_the_region_does_not_have" {
  command = plan

  module {
    source = "./modules/batch"
  }

  variables {
    instance_types = ["m6i", "m6i.lage"]
    spot           = false
    gpu            = null
  }

  expect_failures = [aws_batch_compute_environment.this]
}

run "a_type_with_gpus_that_the_region_does_not_have" {
  command = plan

  module {
    source = "./modules/batch"
  }

  variables {
    gpu = { instance_types = ["g5", "p5"], max_vcpus = 192 }
  }

  expect_failures = [aws_batch_compute_environment.this]
}

run "none_of_ours" {
  command = plan

  module {
    source = "./modules/batch"
  }

  variables {
    instance_types = null
    gpu            = null
  }

  override_data {
    target = data.aws_ec2_instance_type_offerings.here
    values = { instance_types = [] }
  }

  expect_failures = [aws_batch_compute_environment.this]
}
