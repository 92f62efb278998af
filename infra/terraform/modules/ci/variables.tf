variable "name" {
  description = "Of the stack."
  type        = string
}

variable "github" {
  description = "The repository, and the ARN of the account's OIDC provider if it has one."
  type        = object({ repository = string, provider_arn = string })
}

variable "read_policy" {
  description = "Policy document of whoever looks."
  type        = string
}

variable "submit_policy" {
  description = "Policy document of whoever submits."
  type        = string
}

variable "push_policy" {
  description = "Policy document of whoever pushes images."
  type        = string
}

variable "trust" {
  description = "Who may take a role, by the role: plan, apply."
  type        = map(string)
}
