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
  description = "EC2 instance types or families."
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

variable "bucket_arn" {
  description = "ARN of the store's bucket."
  type        = string
}

variable "store_prefix" {
  description = "Where the store lies in it."
  type        = string
}

variable "repository_arn" {
  description = "ARN of the images' repository."
  type        = string
}

variable "data_buckets" {
  description = "Names of buckets that jobs read."
  type        = list(string)
}

variable "secret_arns" {
  description = "ARNs of secrets that job definitions may name."
  type        = list(string)
}

variable "tags" {
  description = "Of machines and their disks, which default_tags do not reach."
  type        = map(string)
}
