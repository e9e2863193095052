variable "name" {
  description = "The project's name."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,40}$", var.name))
    error_message = "name is \"${var.name}\": it must be 3 to 41 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "organization" {
  description = "The organization's slug, from the address of its settings."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9-]+$", var.organization))
    error_message = "organization is \"${var.organization}\": it must be the slug in the address of the organization's settings."
  }
}

variable "region" {
  description = "The region, near that of Render: `eu-central-1` beside `frankfurt`."
  type        = string
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is \"${var.region}\": it must be a region of Supabase, such as eu-central-1."
  }
}

variable "instance_size" {
  description = "The size of the instance. `micro` has 60 connections; VisAPI's services take 19 with one replica each."
  type        = string
  default     = "small"
  validation {
    condition     = contains(["micro", "small", "medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"], var.instance_size)
    error_message = "instance_size is \"${var.instance_size}\": micro, small, medium, large, xlarge, 2xlarge, 4xlarge, 8xlarge, 12xlarge and 16xlarge are allowed."
  }
}

variable "database_password" {
  description = "The password of `postgres` at first."
  type        = string
  sensitive   = true
  validation {
    condition     = length(var.database_password) >= 24
    error_message = "database_password is shorter than 24 characters."
  }
}

variable "allowed_cidrs" {
  description = "Networks that may connect to the database: the outbound addresses of Render's region, and yours for `visapi admin`."
  type        = list(string)
  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrhost(cidr, 0)) && cidr != "0.0.0.0/0"])
    error_message = "allowed_cidrs is ${jsonencode(var.allowed_cidrs)}: name at least one network such as 198.51.100.0/24, and never 0.0.0.0/0."
  }
}
