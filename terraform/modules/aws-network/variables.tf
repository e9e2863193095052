variable "name" {
  description = "Begins the names of all resources."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "name is \"${var.name}\": it must be 3 to 31 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "region" {
  description = "The region, as in `eu-central-1`."
  type        = string
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is \"${var.region}\": it must be the name of a region, such as eu-central-1."
  }
}

variable "zones" {
  description = "Availability zones, two or three: the database and NATS spread over them."
  type        = list(string)
  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 3 && length(distinct(var.zones)) == length(var.zones)
    error_message = "zones is ${jsonencode(var.zones)}: name 2 or 3 different zones."
  }
}

variable "cidr" {
  description = "The addresses of the VPC, a /16."
  type        = string
  default     = "10.40.0.0/16"
  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "cidr is \"${var.cidr}\": it must be a network with 16 bits, such as 10.40.0.0/16."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone; otherwise one serves all, and its zone takes the others' way out with it."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "The key of the flow logs."
  type        = string
}

variable "log_days" {
  description = "Days that flow logs are kept."
  type        = number
  default     = 365
  validation {
    condition     = contains([30, 90, 180, 365, 400, 731], var.log_days)
    error_message = "log_days is ${var.log_days}: CloudWatch keeps 30, 90, 180, 365, 400 or 731 days."
  }
}
