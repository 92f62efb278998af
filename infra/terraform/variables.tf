variable "name" {
  description = "Of the stack; the names of all that it makes begin with it. Two stacks of an account have two names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name))
    error_message = "Use 3 to 24 small letters, digits and hyphens, a letter first: it becomes part of a bucket's name."
  }
}

variable "region" {
  description = "AWS region of everything, such as eu-central-1. Jobs read data buckets of this region only. Made for AWS's commercial regions: China's, GovCloud's and the European Sovereign Cloud's are taken, but nobody has tried them."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2,4}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Use the name of a region, such as eu-central-1."
  }
}

variable "network" {
  description = "An existing VPC and subnets with a way out (NAT, public addresses at launch, or endpoints); null makes one."
  type = object({
    vpc_id     = string
    subnet_ids = list(string)
  })
  default = null

  validation {
    condition     = var.network == null || length(try(var.network.subnet_ids, [])) > 0
    error_message = "Name at least one subnet of the VPC."
  }
}

variable "cidr" {
  description = "Addresses of the VPC that is made. Each job's machine takes one."
  type        = string
  default     = "10.42.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && contains(range(16, 21), try(tonumber(split("/", var.cidr)[1]), 0))
    error_message = "Use a range of addresses from /16, which is AWS's largest, to /20, such as 10.42.0.0/16."
  }
}

variable "zones" {
  description = "In how many availability zones machines may be: more zones, more Spot capacity."
  type        = number
  default     = 3

  validation {
    condition     = var.zones >= 1 && var.zones <= 6 && floor(var.zones) == var.zones
    error_message = "Use a whole number from 1 to 6."
  }
}

variable "private" {
  description = "Whether machines have no public address and reach AWS by interface endpoints (11, at about 7 USD a month and zone)."
  type        = bool
  default     = false

  validation {
    condition     = !var.private || var.network == null
    error_message = "private is for a VPC that is made; in one that is there, the subnets decide."
  }
}

variable "instance_types" {
  description = "EC2 instance types or families that Batch chooses from; x86-64, since the runner image is. null: those of m6i, m6id, m7i, c6i, c6id, r6i and r6id that the region has."
  type        = list(string)
  default     = null

  validation {
    condition     = var.instance_types == null || try(length(var.instance_types) > 0 && alltrue([for each in var.instance_types : !can(regex("^(a1|[a-z]+[0-9]+g)", each))]), false)
    error_message = "Name at least one type or family, and none of Graviton (such as m7g): the image is x86-64."
  }
}

variable "max_vcpus" {
  description = "CPUs at once of Spot machines, and as many again of On-Demand ones once those are used up; quotas must allow both."
  type        = number
  default     = 256

  validation {
    condition     = var.max_vcpus >= 2 && floor(var.max_vcpus) == var.max_vcpus
    error_message = "Use a whole number from 2."
  }
}

variable "spot" {
  description = "Whether Spot machines come first, with On-Demand behind them; false: On-Demand alone."
  type        = bool
  default     = true
}

variable "gpu" {
  description = "Machines with GPUs: instance types and how many CPUs at once; null: none. Jobs without GPUs get them, too, once all others are used up."
  type = object({
    instance_types = list(string)
    max_vcpus      = number
  })
  default = null

  validation {
    condition     = var.gpu == null || (length(try(var.gpu.instance_types, [])) > 0 && try(var.gpu.max_vcpus, 0) >= 4)
    error_message = "Name instance types with GPUs (such as g5), and at least 4 max_vcpus."
  }

  validation {
    condition     = alltrue([for each in try(var.gpu.instance_types, []) : !can(regex("^[a-z]+[0-9]+g", each))])
    error_message = "Name none of Graviton (such as g5g): the image is x86-64."
  }
}

variable "root_gib" {
  description = "Size in GiB of the root disk of jobs' machines: system, images, and what containers write outside of /explorer; machines with GPUs have 100 at least."
  type        = number
  default     = 30

  validation {
    condition     = var.root_gib >= 30 && var.root_gib <= 16384
    error_message = "Use 30 GiB, which is the machine image's, to 16384."
  }
}

variable "scratch_gib" {
  description = "Size in GiB of the disk for jobs (scratch, packages, cached files) where a machine has no disk of its own."
  type        = number
  default     = 200

  validation {
    condition     = var.scratch_gib >= 30 && var.scratch_gib <= 16384
    error_message = "Use 30 to 16384 GiB."
  }
}

variable "runnable_minutes" {
  description = "After how long a job that cannot start (a wrong image, no machine large enough) is given up."
  type        = number
  default     = 1440

  validation {
    condition     = var.runnable_minutes >= 10 && var.runnable_minutes <= 1440
    error_message = "AWS Batch takes 10 to 1440 minutes."
  }
}

variable "data_buckets" {
  description = "Names of buckets that jobs and people read inputs from."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.data_buckets : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", each))])
    error_message = "Use names of buckets, without s3://."
  }
}

variable "kms_key_arns" {
  description = "ARNs of keys of KMS that data buckets are encrypted with; S3's own keys (SSE-S3, aws/s3) need none. A key's own policy must let this account's roles use it."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.kms_key_arns : can(regex("^arn:aws[a-z-]*:kms:[^:]+:[0-9]{12}:key/", each))])
    error_message = "Use ARNs of keys, arn:aws:kms:REGION:ACCOUNT:key/ID: an alias names no key in a policy."
  }
}

variable "secret_arns" {
  description = "ARNs of secrets (Secrets Manager or SSM parameters) that job definitions may name."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.secret_arns : can(regex("^arn:aws[a-z-]*:(secretsmanager|ssm):", each))])
    error_message = "Use ARNs of secrets: arn:aws:secretsmanager:... or arn:aws:ssm:..."
  }
}

variable "log_days" {
  description = "Days that CloudWatch keeps logs of jobs; the store has them for as long as it is told to."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], var.log_days)
    error_message = "CloudWatch takes 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731 days."
  }
}

variable "package_days" {
  description = "Days after which wheels of pip_packages that were not stored again are removed from the store."
  type        = number
  default     = 365

  validation {
    condition     = var.package_days >= 30
    error_message = "Use 30 days or more: a lock that names a removed wheel has to be made anew."
  }
}

variable "require_tls" {
  description = "Whether the bucket refuses requests without TLS. False only where conditions of policies are not understood."
  type        = bool
  default     = true
}

variable "host" {
  description = "The notebook host: its instance type (2 CPUs and 16 GiB by default), which of the subnets it and its home volume are in (0: the first), the size of its home volume, after how many hours without use it stops itself, whether a snapshot of the home volume is left when that is removed, the snapshot that a new home volume begins with, and the branch that it reconciles while it runs (a stopped host reconciles nothing: where every push counts, let CI do it); null: no host."
  type = object({
    instance_type = optional(string, "r6i.large")
    subnet        = optional(number, 0)
    home_gib      = optional(number, 100)
    idle_hours    = optional(number, 4)
    keep_snapshot = optional(bool, true)
    home_snapshot = optional(string)
    reconcile = optional(object({
      repository = string
      branch     = optional(string, "main")
      folder     = optional(string, "manifests")
    }))
  })
  default = {}

  validation {
    condition     = var.host == null || !can(regex("^(a1\\.|[a-z]+[0-9]+g)", var.host.instance_type))
    error_message = "Use an x86-64 type, such as r6i.large: the image is x86-64."
  }

  # https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-nitro-instances.html has those that are.
  validation {
    condition     = var.host == null || !can(regex("^(c[134]|cc2|cr1|d2|f1|g2|g3s?|h1|hs1|i[23]|m[1-4]|p[23]|r[34]|t[12]|x1e?)\\.", var.host.instance_type))
    error_message = "Use a type of the Nitro system, such as r6i.large: on older ones the home volume is not found."
  }

  validation {
    condition     = var.host == null || contains(range(var.network == null ? var.zones : length(var.network.subnet_ids)), try(var.host.subnet, -1))
    error_message = "Use a whole number as host.subnet: 0 for the first subnet (of as many as zones, or as network.subnet_ids), 1 for the second."
  }

  validation {
    condition     = var.host == null || try(var.host.home_gib >= 10 && var.host.home_gib <= 16384, false)
    error_message = "Use a home_gib of 10 to 16384."
  }

  validation {
    condition     = var.host == null || try(var.host.idle_hours >= 1 && floor(var.host.idle_hours) == var.host.idle_hours, false)
    error_message = "Use a whole number of idle_hours from 1."
  }

  validation {
    condition     = try(var.host.home_snapshot, null) == null || can(regex("^snap-[0-9a-f]+$", var.host.home_snapshot))
    error_message = "Use the id of a snapshot as home_snapshot, such as snap-0123456789abcdef0."
  }

  # They stand in a file that a shell reads.
  validation {
    condition = alltrue([
      for each in try(var.host.reconcile, null) == null ? [] : values(var.host.reconcile) : can(regex("^[A-Za-z0-9_./:@~+-]+$", each)) && !startswith(each, "-")
    ])
    error_message = "Use a repository, branch and folder without spaces and quotes."
  }

  # They would stand in the state, in the machine's user data, and in its list of processes.
  validation {
    condition     = !can(regex("^https?://[^/]*@|//[^/@]*:[^/@]*@", var.host.reconcile.repository))
    error_message = "Use a repository's address without a password or token: docs/operations.md has the way to a private one."
  }
}

variable "github" {
  description = "A repository whose workflows plan and reconcile, and the environment that may apply; null: none. A repository that was made, renamed or transferred since July 15, 2026, or has opted in to immutable subject claims, needs owner_id and repository_id, and no other may have them: gh api repos/OWNER/NAME --jq '{owner_id: .owner.id, repository_id: .id}' has the numbers, gh api repos/OWNER/NAME/actions/oidc/customization/sub tells whether its tokens have them."
  type = object({
    repository    = string
    owner_id      = optional(number)
    repository_id = optional(number)
    environment   = optional(string, "production")
    provider_arn  = optional(string)
  })
  default = null

  validation {
    condition     = var.github == null || can(regex("^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", var.github.repository))
    error_message = "Use owner/name of the repository."
  }

  validation {
    condition     = (try(var.github.owner_id, null) == null) == (try(var.github.repository_id, null) == null)
    error_message = "owner_id and repository_id go together: gh api repos/OWNER/NAME --jq '{owner_id: .owner.id, repository_id: .id}' has both."
  }

  validation {
    condition     = alltrue([for each in [try(var.github.owner_id, null), try(var.github.repository_id, null)] : each == null || try(each >= 1 && floor(each) == each, false)])
    error_message = "Use whole numbers from 1 as owner_id and repository_id."
  }
}

variable "monthly_budget_usd" {
  description = "Send a mail when the stack has cost 80 and 100 percent of this in a month, and when the forecast for the month is above it (AWS makes one after about five weeks); null: no budget. Needs budget_mail."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null || try(var.monthly_budget_usd > 0, false)
    error_message = "Use a number of US dollars above 0."
  }
}

variable "budget_mail" {
  description = "Whom the budget writes to."
  type        = string
  default     = null

  validation {
    condition     = (var.budget_mail == null) == (var.monthly_budget_usd == null)
    error_message = "monthly_budget_usd and budget_mail go together."
  }
}

variable "tags" {
  description = "Further tags of everything."
  type        = map(string)
  default     = {}
}
