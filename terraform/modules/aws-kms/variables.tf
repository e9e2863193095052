variable "name" {
  description = "The key's alias, without `alias/`."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,60}$", var.name))
    error_message = "name is \"${var.name}\": it must be 3 to 61 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "description" {
  description = "What the key encrypts."
  type        = string
  validation {
    condition     = length(var.description) > 0 && length(var.description) <= 8192
    error_message = "description is ${length(var.description)} characters long: 1 to 8192 are allowed."
  }
}

variable "logs" {
  description = "Whether log groups of CloudWatch of this account and region may use the key."
  type        = bool
  default     = false
}

variable "deletion_days" {
  description = "Days between the order to delete the key and its end, in which the order can be taken back."
  type        = number
  default     = 30
  validation {
    condition     = var.deletion_days >= 7 && var.deletion_days <= 30
    error_message = "deletion_days is ${var.deletion_days}: 7 to 30 are allowed."
  }
}
