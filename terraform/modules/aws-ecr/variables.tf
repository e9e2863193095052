variable "prefix" {
  description = "Begins each repository's name, as in `staging/`."
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^([a-z0-9-]+/)*$", var.prefix))
    error_message = "prefix is \"${var.prefix}\": it must be empty or folders with a slash at the end, such as staging/."
  }
}

variable "repositories" {
  description = "The repositories: the images of `make images`."
  type        = list(string)
  default     = ["visapi/gateway", "visapi/orchestrator", "visapi/pdf-worker", "visapi/notifier", "visapi/admin"]
  validation {
    condition     = length(var.repositories) > 0 && alltrue([for name in var.repositories : can(regex("^[a-z0-9][a-z0-9/_-]+$", name))])
    error_message = "repositories is ${jsonencode(var.repositories)}: name at least one repository in lower-case letters, digits, hyphens and slashes."
  }
}

variable "kms_key_arn" {
  description = "The key of the images."
  type        = string
}

variable "images_kept" {
  description = "Images kept in each repository; a rollback needs those of the releases before."
  type        = number
  default     = 50
  validation {
    condition     = var.images_kept >= 5 && var.images_kept <= 1000
    error_message = "images_kept is ${var.images_kept}: 5 to 1000 are allowed."
  }
}

variable "protected" {
  description = "Whether a repository refuses to be deleted while it holds images."
  type        = bool
  default     = true
}
