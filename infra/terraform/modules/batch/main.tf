# Compute environments, queue, log group. Roles and policies are in roles.tf.

locals {
  # In their order: Batch fills the first, and goes on to the next when that is full or AWS has no machines for it.
  # No two share a bound. So a long queue has On-Demand machines beside Spot's, and those with GPUs after both.
  environments = merge(
    var.spot ? { spot = { type = "SPOT", order = 1, kind = "jobs", cpus = var.max_vcpus } } : {},
    { on-demand = { type = "EC2", order = 2, kind = "jobs", cpus = var.max_vcpus } },
    var.gpu == null ? {} : { gpu = { type = "EC2", order = 3, kind = "gpu", cpus = var.gpu.max_vcpus } },
  )

  # By the kind of machine. Of our own list a region need not have all; of what somebody names it must.
  ours   = ["m6i", "m6id", "m7i", "c6i", "c6id", "r6i", "r6id"]
  named  = { jobs = var.instance_types == null ? [] : var.instance_types, gpu = try(var.gpu.instance_types, []) }
  wanted = merge(local.named, var.instance_types == null ? { jobs = local.ours } : {})

  # Images and the disks of containers lie on the root disk, and images for GPUs are of many gigabytes.
  root_gib = merge({ jobs = var.root_gib }, var.gpu == null ? {} : { gpu = max(var.root_gib, 100) })

  # Batch refuses an environment for one type or family that the region does not have. What it chooses itself by these two
  # names is in every region.
  types = {
    for kind, names in local.wanted : kind => [
      for name in names : name if contains(["optimal", "default_x86_64"], name) || anytrue([
        for each in data.aws_ec2_instance_type_offerings.here.instance_types : each == name || startswith(each, "${name}.")
      ])
    ]
  }
}

data "aws_ec2_instance_type_offerings" "here" {
  filter {
    name   = "instance-type"
    values = [for each in flatten(values(local.wanted)) : strcontains(each, ".") ? each : "${each}.*"]
  }
}

locals {
  # What prepares a machine at every start: a script of user data alone would run at the first one.
  files = concat(
    [for each in ["agent.sh", "scratch.sh"] : {
      path        = "/usr/local/lib/explorer/${each}"
      permissions = "0755"
      content     = file("${path.module}/${each}")
    }],
    [{
      path    = "/etc/systemd/system/explorer-machine.service"
      content = file("${path.module}/explorer-machine.service")
    }],
  )

  # MIME, and nothing else, since Batch adds parts of its own:
  # https://docs.aws.amazon.com/batch/latest/userguide/launch-templates.html
  user_data = templatefile("${path.module}/user-data.mime", {
    files       = yamlencode({ write_files = local.files })
    first_start = file("${path.module}/first-start.sh")
  })
}

# It was one for all machines. Without this the new one is made first, under the name that the old one still has, and EC2
# refuses that at every apply (InvalidLaunchTemplateName.AlreadyExistsException).
moved {
  from = aws_launch_template.this
  to   = aws_launch_template.this["jobs"]
}

resource "aws_launch_template" "this" {
  for_each = local.root_gib

  name        = "${var.name}-${each.key}"
  description = "Machines of jobs of ${var.name}: encrypted disks, one for jobs at /mnt/explorer"

  # The newest version is what compute environments take (below), so a change needs no replacement here.
  update_default_version = true

  user_data = base64encode(local.user_data)

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type = "gp3"
      volume_size = each.value
      encrypted   = true
    }
  }

  # The disk for jobs, where the machine has none of its own.
  block_device_mappings {
    device_name = "/dev/xvdb"

    ebs {
      volume_type           = "gp3"
      volume_size           = var.scratch_gib
      encrypted             = true
      delete_on_termination = true
    }
  }

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
    # For containers in a network of their own. Those of Batch are in the machine's: agent.sh keeps them away.
    http_put_response_hop_limit = 1
  }

  # default_tags do not reach what AWS makes from a template.
  dynamic "tag_specifications" {
    for_each = ["instance", "volume"]

    content {
      resource_type = tag_specifications.value
      tags          = merge(var.tags, { Name = "${var.name}-job" })
    }
  }
}

resource "aws_batch_compute_environment" "this" {
  for_each = local.environments

  # No role is named: Batch then takes the account's AWSServiceRoleForBatch, and makes it where it is missing. With any
  # other it renews no machine in place, and a new version of the launch template fails the apply.

  # A change that means replacement makes the new one first: a queue must not lose its last environment.
  compute_environment_name_prefix = "${var.name}-${each.key}-"
  type                            = "MANAGED"
  state                           = "ENABLED"

  compute_resources {
    type = each.value.type
    # The strategy of price and capacity costs a little less, but the provider replaces an environment that has it
    # where AWS would update it: https://docs.aws.amazon.com/batch/latest/userguide/infrastructure-updates.html
    allocation_strategy = each.value.type == "SPOT" ? "SPOT_CAPACITY_OPTIMIZED" : "BEST_FIT_PROGRESSIVE"
    min_vcpus           = 0
    max_vcpus           = each.value.cpus
    instance_type       = local.types[each.value.kind]
    instance_role       = aws_iam_instance_profile.instance.arn
    subnets             = var.subnet_ids
    security_group_ids  = [var.security_group_id]

    ec2_configuration {
      image_type = each.key == "gpu" ? "ECS_AL2023_NVIDIA" : "ECS_AL2023"
    }

    launch_template {
      launch_template_id = aws_launch_template.this[each.value.kind].id
      version            = aws_launch_template.this[each.value.kind].latest_version
    }
  }

  # Running jobs go on for up to six hours, which is as long as AWS waits, when the machines under them are to be renewed.
  update_policy {
    job_execution_timeout_minutes = 360
    terminate_jobs_on_update      = false
  }

  lifecycle {
    create_before_destroy = true

    precondition {
      condition     = length(local.types[each.value.kind]) > 0 && length(setsubtract(local.named[each.value.kind], local.types[each.value.kind])) == 0
      error_message = "This region does not have ${join(", ", setsubtract(local.wanted[each.value.kind], local.types[each.value.kind]))}: name others as ${each.value.kind == "gpu" ? "gpu.instance_types" : "instance_types"}, of those that aws ec2 describe-instance-type-offerings lists."
    }
  }

  # Machines that end need their role to say so: without this, destroy takes it first.
  depends_on = [aws_iam_role_policy_attachment.instance]
}

resource "aws_batch_job_queue" "this" {
  name     = "${var.name}-jobs"
  state    = "ENABLED"
  priority = 1

  dynamic "compute_environment_order" {
    for_each = { for key, each in local.environments : each.order => aws_batch_compute_environment.this[key].arn }

    content {
      order               = tonumber(compute_environment_order.key)
      compute_environment = compute_environment_order.value
    }
  }

  # Without these a job that nothing can run waits for ever, and so does whoever waits for it.
  dynamic "job_state_time_limit_action" {
    for_each = {
      "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE" = "no machine of the queue may be large enough for it"
      "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"         = "no machine of the queue is large enough for it"
      "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"           = "AWS has had no machine for it"
    }

    content {
      action           = "CANCEL"
      state            = "RUNNABLE"
      reason           = job_state_time_limit_action.key
      max_time_seconds = var.runnable_minutes * 60
    }
  }
}

resource "aws_cloudwatch_log_group" "jobs" {
  # checkov:skip=CKV_AWS_158:CloudWatch encrypts with a key of its own
  # checkov:skip=CKV_AWS_338:the store keeps the logs of jobs; CloudWatch has them while they run
  name              = "/explorer/${var.name}/jobs"
  retention_in_days = var.log_days
}
