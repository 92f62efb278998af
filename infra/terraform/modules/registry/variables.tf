variable "name" {
  description = "Of the stack."
  type        = string
}
