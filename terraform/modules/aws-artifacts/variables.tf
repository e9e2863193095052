variable "bucket" {
  description = "The bucket's name, unique in all of AWS."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket is \"${var.bucket}\": it must be 3 to 63 lower-case letters, digits and hyphens, and neither begin nor end with a hyphen."
  }
}

variable "kms_key_arn" {
  description = "The key of the objects."
  type        = string
}

variable "deleted_days" {
  description = "Days that a deleted object can be brought back."
  type        = number
  default     = 30
  validation {
    condition     = var.deleted_days >= 1 && var.deleted_days <= 3650
    error_message = "deleted_days is ${var.deleted_days}: 1 to 3650 are allowed."
  }
}

variable "protected" {
  description = "Whether the bucket refuses to be deleted while it holds objects."
  type        = bool
  default     = true
}
