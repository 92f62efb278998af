# Explorer's ground on AWS: a bucket, a registry, a queue with its machines, and roles that may do little.
# Job definitions are not here: the SDK registers them on demand, and changing one must not be an apply.

locals {
  tags = merge(var.tags, { "explorer:stack" = var.name })
}

module "network" {
  source = "./modules/network"

  name     = var.name
  existing = var.network
  cidr     = var.cidr
  zones    = var.zones
  private  = var.private
}

module "store" {
  source = "./modules/store"

  name         = var.name
  package_days = var.package_days
  require_tls  = var.require_tls
}

module "registry" {
  source = "./modules/registry"

  name = "${var.name}-runner"
}

module "notebooks" {
  source = "./modules/registry"
  count  = var.host == null ? 0 : 1

  name = "${var.name}-notebook"
}

module "batch" {
  source = "./modules/batch"

  name              = var.name
  subnet_ids        = module.network.subnet_ids
  security_group_id = module.network.security_group_id
  instance_types    = var.instance_types
  max_vcpus         = var.max_vcpus
  spot              = var.spot
  gpu               = var.gpu
  root_gib          = var.root_gib
  scratch_gib       = var.scratch_gib
  runnable_minutes  = var.runnable_minutes
  log_days          = var.log_days
  trust             = module.policies.trust
  job_policy        = module.policies.job
  secrets_policy    = module.policies.secrets
  tags              = local.tags
}

# Documents alone, of ARNs alone; batch, host and ci make roles of them.
module "policies" {
  source = "./modules/policies"

  bucket_arn         = module.store.bucket_arn
  store_prefix       = module.store.prefix
  data_buckets       = var.data_buckets
  kms_key_arns       = var.kms_key_arns
  secret_arns        = var.secret_arns
  queue_arn          = module.batch.queue_arn
  repository_arn     = module.registry.repository_arn
  log_group_arn      = module.batch.log_group_arn
  job_role_arn       = module.batch.job_role_arn
  execution_role_arn = module.batch.execution_role_arn

  host = var.host == null ? null : {
    config_parameter_arn = aws_ssm_parameter.config.arn
    image_parameter_arn  = "${dirname(aws_ssm_parameter.config.arn)}/notebook-image" # make up writes it
    token_parameter_arn  = module.host[0].token_parameter_arn
    repository_arn       = module.notebooks[0].repository_arn
  }
  host_instance_arn = one(module.host[*].instance_arn)

  github = var.github == null ? null : {
    repository    = var.github.repository
    owner_id      = var.github.owner_id
    repository_id = var.github.repository_id
    environment   = var.github.environment
    provider_arn  = module.ci[0].provider_arn
  }
}

module "ci" {
  source = "./modules/ci"
  count  = var.github == null ? 0 : 1

  name          = var.name
  github        = var.github
  trust         = module.policies.trust
  read_policy   = module.policies.read
  submit_policy = module.policies.submit
  push_policy   = module.policies.push
}

# A zone need not have every type. This checks the place that the settings name, and chooses none: the home volume would
# move, empty, when AWS's answer changes.
data "aws_ec2_instance_type_offerings" "host" {
  count = var.host == null ? 0 : 1

  location_type = "availability-zone"

  filter {
    name   = "instance-type"
    values = [var.host.instance_type]
  }

  lifecycle {
    postcondition {
      condition     = contains(self.locations, try(module.network.zones[var.host.subnet], ""))
      error_message = "host.subnet is ${var.host.subnet}, whose zone (${try(module.network.zones[var.host.subnet], "none: the region has fewer")}) does not have ${var.host.instance_type}. Subnets that have it: ${coalesce(join(", ", [for index, zone in module.network.zones : index if contains(self.locations, zone)]), "none")}. Set host.subnet to one of them, or name another host.instance_type. A host that is there moves with its subnet, and its home volume begins empty (a snapshot of it is kept, if keep_snapshot): docs/operations.md, The home volume."
    }
  }
}

module "host" {
  source = "./modules/host"
  count  = var.host == null ? 0 : 1

  name                  = var.name
  subnet_id             = module.network.subnet_ids[var.host.subnet]
  security_group_id     = module.network.security_group_id
  instance_type         = var.host.instance_type
  home_gib              = var.host.home_gib
  idle_hours            = var.host.idle_hours
  keep_snapshot         = var.host.keep_snapshot
  home_snapshot         = var.host.home_snapshot
  reconcile             = var.host.reconcile
  config_parameter_name = aws_ssm_parameter.config.name
  repository_url        = module.notebooks[0].repository_url
  trust                 = module.policies.trust
  host_policy           = module.policies.host
  submit_policy         = module.policies.submit
}

# What the notebook host reads; it holds no secret.
resource "aws_ssm_parameter" "config" {
  # checkov:skip=CKV2_AWS_34:names of resources, which everybody who may use them knows
  # checkov:skip=CKV_AWS_337:likewise
  name        = "/explorer/${var.name}/config"
  description = "explorer.toml of the stack ${var.name}"
  type        = "String"
  value       = local.config
}

resource "aws_budgets_budget" "month" {
  count = var.monthly_budget_usd == null ? 0 : 1

  name         = "${var.name}-month"
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:explorer:stack$%s", var.name)]
  }

  # AWS forecasts nothing before it has seen about five weeks: what was spent speaks earlier.
  # https://docs.aws.amazon.com/cost-management/latest/userguide/budgets-best-practices.html
  dynamic "notification" {
    for_each = [
      { type = "ACTUAL", percent = 80 },
      { type = "ACTUAL", percent = 100 },
      { type = "FORECASTED", percent = 100 },
    ]

    content {
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value.percent
      threshold_type             = "PERCENTAGE"
      notification_type          = notification.value.type
      subscriber_email_addresses = [var.budget_mail]
    }
  }
}

locals {
  settings = {
    region             = var.region
    store              = module.store.uri
    queue              = module.batch.queue
    image              = module.registry.repository_url
    job_role_arn       = module.batch.job_role_arn
    execution_role_arn = module.batch.execution_role_arn
    log_group          = module.batch.log_group
  }

  config = <<-TOML
    # Of the stack ${var.name}, written by Terraform: make up writes it anew.
    executor = "batch"
    store = "${local.settings.store}"

    [batch]
    region = "${local.settings.region}"
    queue = "${local.settings.queue}"
    image = "${local.settings.image}"
    job_role_arn = "${local.settings.job_role_arn}"
    execution_role_arn = "${local.settings.execution_role_arn}"
    log_group = "${local.settings.log_group}"
  TOML
}
