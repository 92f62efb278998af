variable "name" {
  description = "Of the stack."
  type        = string
}

variable "github" {
  description = "The repository, its environment that may apply, and the account's OIDC provider if it has one."
  type        = object({ repository = string, environment = string, provider_arn = string })
}

variable "read_policy" {
  description = "Policy document of whoever looks."
  type        = string
}

variable "submit_policy" {
  description = "Policy document of whoever submits."
  type        = string
}

variable "repository_arn" {
  description = "ARN of the images' repository."
  type        = string
}
