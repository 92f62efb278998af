variable "bucket_arn" {
  description = "ARN of the store's bucket."
  type        = string
}

variable "store_prefix" {
  description = "Where the store lies in it."
  type        = string
}

variable "data_buckets" {
  description = "Names of buckets that jobs and people read inputs from."
  type        = list(string)
}

variable "kms_key_arns" {
  description = "ARNs of keys of KMS that data buckets are encrypted with."
  type        = list(string)
}

variable "secret_arns" {
  description = "ARNs of secrets that job definitions may name."
  type        = list(string)
}

variable "queue_arn" {
  description = "ARN of the queue."
  type        = string
}

variable "repository_arn" {
  description = "ARN of the repository of the runner's images."
  type        = string
}

variable "log_group_arn" {
  description = "ARN of the jobs' log group, without :* behind it."
  type        = string
}

variable "job_role_arn" {
  description = "ARN of the role that jobs have."
  type        = string
}

variable "execution_role_arn" {
  description = "ARN of the role that starts containers."
  type        = string
}

variable "host" {
  description = "ARNs of the notebook host's parameters (settings, image, token) and of its image's repository; null: no host."
  type = object({
    config_parameter_arn = string
    image_parameter_arn  = string
    token_parameter_arn  = string
    repository_arn       = string
  })
}

# Apart from host, so that the role of the machine does not wait for the machine.
variable "host_instance_arn" {
  description = "ARN of the notebook host; null: no host."
  type        = string
}

variable "github" {
  description = "The repository, its and its owner's numbers if its tokens have them, its environment that may apply, and the ARN of the account's OIDC provider; null: none."
  type = object({
    repository    = string
    owner_id      = optional(number)
    repository_id = optional(number)
    environment   = string
    provider_arn  = string
  })
}
