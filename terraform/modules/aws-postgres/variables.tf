variable "name" {
  description = "The instance's identifier; begins the names of all resources."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "name is \"${var.name}\": it must be 3 to 31 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of two zones at least, without a way to the internet."
  type        = list(string)
  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids has ${length(var.subnet_ids)} subnets: RDS needs 2 at least, in different zones."
  }
}

variable "client_security_group_ids" {
  description = "Who may connect: security groups, by a name of yours."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "The key of storage, snapshots, the master's password and Performance Insights."
  type        = string
}

variable "engine_version" {
  description = "PostgreSQL, 15 or newer, as `17` or `17.5`; minor versions follow by themselves."
  type        = string
  default     = "17"
  validation {
    condition     = can(regex("^(1[5-9]|2[0-9])(\\.[0-9]+)?$", var.engine_version))
    error_message = "engine_version is \"${var.engine_version}\": it must be 15 or newer, such as 17 or 17.5."
  }
}

variable "instance_class" {
  description = "The instance's class, as in `db.r7g.large`."
  type        = string
  default     = "db.r7g.large"
  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "instance_class is \"${var.instance_class}\": it must be a class of RDS, such as db.r7g.large."
  }
}

variable "storage_gb" {
  description = "Gibibytes of storage at first."
  type        = number
  default     = 100
  validation {
    condition     = var.storage_gb >= 20 && var.storage_gb <= 65536
    error_message = "storage_gb is ${var.storage_gb}: 20 to 65536 are allowed."
  }
}

variable "storage_gb_max" {
  description = "Gibibytes to which storage grows by itself; above `storage_gb`."
  type        = number
  default     = 1000
  validation {
    condition     = var.storage_gb_max > var.storage_gb && var.storage_gb_max <= 65536
    error_message = "storage_gb_max is ${var.storage_gb_max}: it must be above storage_gb, which is ${var.storage_gb}, and at most 65536."
  }
}

variable "multi_az" {
  description = "A synchronous standby in another zone. Without it a lost zone means a restore from backup."
  type        = bool
  default     = true
}

variable "backup_days" {
  description = "Days to any second of which the database can be restored."
  type        = number
  default     = 14
  validation {
    condition     = var.backup_days >= 7 && var.backup_days <= 35
    error_message = "backup_days is ${var.backup_days}: 7 to 35 are allowed."
  }
}

variable "protected" {
  description = "Whether the database refuses to be deleted, and leaves a last snapshot behind."
  type        = bool
  default     = true
}
