variable "name" {
  description = "Of the stack."
  type        = string
}

variable "package_days" {
  description = "Days after which stored wheels are removed."
  type        = number
}

variable "require_tls" {
  description = "Whether requests without TLS are refused."
  type        = bool
}
