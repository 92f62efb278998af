variable "name" {
  description = "Of the stack."
  type        = string
}

variable "subnet_id" {
  description = "Subnet of the host; its volume is in the same zone."
  type        = string
}

variable "security_group_id" {
  description = "Security group of the host: no way in."
  type        = string
}

variable "instance_type" {
  description = "EC2 instance type, x86-64."
  type        = string
}

variable "root_gib" {
  description = "Size in GiB of the disk for system and images."
  type        = number
  default     = 30
}

variable "home_gib" {
  description = "Size in GiB of the home volume, which is kept when the host is replaced."
  type        = number
}

variable "idle_hours" {
  description = "After how many hours without use it stops itself."
  type        = number
}

variable "keep_snapshot" {
  description = "Whether a snapshot of the home volume is left when the volume is removed."
  type        = bool
}

variable "home_snapshot" {
  description = "Snapshot that a new home volume begins with; null: it begins empty."
  type        = string
  default     = null
}

variable "reconcile" {
  description = "Repository (an address that git takes), branch and folder of manifests to reconcile every five minutes while the host runs; null: none."
  type        = object({ repository = string, branch = string, folder = string })
}

variable "config_parameter_name" {
  description = "Name of the SSM parameter with explorer.toml."
  type        = string
}

variable "repository_url" {
  description = "The repository of the notebook image."
  type        = string
}

variable "trust" {
  description = "Who may take a role, by the role: host."
  type        = map(string)
}

variable "host_policy" {
  description = "Policy document of what the machine itself asks for."
  type        = string
}

variable "submit_policy" {
  description = "Policy document of whoever submits."
  type        = string
}
