variable "name" {
  description = "Of the stack."
  type        = string
}

variable "existing" {
  description = "A VPC and subnets that are there; null makes them."
  type        = object({ vpc_id = string, subnet_ids = list(string) })
}

variable "cidr" {
  description = "Addresses of a VPC that is made."
  type        = string
}

variable "zones" {
  description = "Number of availability zones of a VPC that is made."
  type        = number
}

variable "private" {
  description = "Whether machines have no public addresses, and AWS is reached by interface endpoints."
  type        = bool
}
