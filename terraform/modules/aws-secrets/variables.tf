variable "name" {
  description = "The entry's name, as in `visapi-staging/services`."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9/-]{2,100}$", var.name))
    error_message = "name is \"${var.name}\": it must be 3 to 101 lower-case letters, digits, hyphens and slashes, and begin with a letter."
  }
}

variable "kms_key_arn" {
  description = "The key of the entry."
  type        = string
}

variable "extra_secret_arns" {
  description = "Other entries that `read_policy` names, such as the database master's."
  type        = list(string)
  default     = []
}

variable "extra_kms_key_arns" {
  description = "The keys of those entries."
  type        = list(string)
  default     = []
}

variable "protected" {
  description = "Whether a deleted entry can be brought back for 30 days."
  type        = bool
  default     = true
}
