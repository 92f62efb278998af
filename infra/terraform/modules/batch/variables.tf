variable "name" {
  description = "Of the stack."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the machines."
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group of the machines."
  type        = string
}

variable "instance_types" {
  description = "EC2 instance types or families; null: those of ours that the region has."
  type        = list(string)
}

variable "max_vcpus" {
  description = "CPUs at once of Spot, and of On-Demand machines."
  type        = number
}

variable "spot" {
  description = "Whether Spot machines come first."
  type        = bool
}

variable "gpu" {
  description = "Instance types with GPUs and their CPUs at once; null: none."
  type        = object({ instance_types = list(string), max_vcpus = number })
}

variable "root_gib" {
  description = "Size in GiB of the disk for the system, images and containers; machines with GPUs have 100 at least."
  type        = number
}

variable "scratch_gib" {
  description = "Size in GiB of the disk for jobs."
  type        = number
}

variable "runnable_minutes" {
  description = "After how long in RUNNABLE a job is given up."
  type        = number
}

variable "log_days" {
  description = "Days that CloudWatch keeps logs."
  type        = number
}

variable "trust" {
  description = "Who may take a role, by the role: job, execution, instance."
  type        = map(string)
}

variable "job_policy" {
  description = "Policy document of jobs."
  type        = string
}

variable "secrets_policy" {
  description = "Policy document of the execution role beside AWS's own; null: none."
  type        = string
}

variable "tags" {
  description = "Of machines and their disks, which default_tags do not reach."
  type        = map(string)
}
