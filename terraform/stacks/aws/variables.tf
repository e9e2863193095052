variable "project" {
  description = "Begins every name, followed by the environment."
  type        = string
  default     = "visapi"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.project))
    error_message = "project is \"${var.project}\": it must be 2 to 16 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "environment" {
  description = "`staging`, `production`, or another word: the second part of every name."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,11}$", var.environment))
    error_message = "environment is \"${var.environment}\": it must be 2 to 12 lower-case letters and digits, and begin with a letter."
  }
}

variable "region" {
  description = "The region, the same as the provider's."
  type        = string
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is \"${var.region}\": it must be the name of a region, such as eu-central-1."
  }
}

variable "zones" {
  description = "Availability zones of the region, three; two where there are no more."
  type        = list(string)
  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 3 && alltrue([for zone in var.zones : startswith(zone, var.region)])
    error_message = "zones is ${jsonencode(var.zones)}: name 2 or 3 zones of ${var.region}."
  }
}

variable "cidr" {
  description = "The addresses of the VPC, a /16 that no network uses which the VPC will be joined to."
  type        = string
  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "cidr is \"${var.cidr}\": it must be a network with 16 bits, such as 10.40.0.0/16."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone; otherwise one serves all."
  type        = bool
}

variable "kubernetes_version" {
  description = "Kubernetes, 1.30 or newer."
  type        = string
}

variable "public_access_cidrs" {
  description = "Networks that reach the cluster's API over the internet; empty: only the VPC does."
  type        = list(string)
}

variable "administrators" {
  description = "ARNs of the roles or users of IAM that administer the cluster, yours among them."
  type        = list(string)
}

variable "node_groups" {
  description = "Managed node groups by name; three nodes at least, for the three servers of NATS."
  type = map(object({
    instance_types = list(string)
    nodes_min      = number
    nodes_max      = number
    disk_gb        = optional(number, 50)
    ami_type       = optional(string, "AL2023_x86_64_STANDARD")
    labels         = optional(map(string), {})
  }))
  validation {
    condition     = sum(concat([0], [for group in var.node_groups : group.nodes_min])) >= 3
    error_message = "node_groups: nodes_min of all groups are ${sum(concat([0], [for group in var.node_groups : group.nodes_min]))} together: 3 at least, as no two servers of NATS share a node."
  }
}

variable "postgres" {
  description = "PostgreSQL; the module `aws-postgres` says what each field means."
  type = object({
    engine_version = optional(string, "17")
    instance_class = string
    storage_gb     = number
    storage_gb_max = number
    multi_az       = bool
    backup_days    = number
  })
}

variable "bucket" {
  description = "The bucket of the artifacts, unique in all of AWS."
  type        = string
}

variable "deleted_days" {
  description = "Days that a deleted artifact can be brought back."
  type        = number
}

variable "images_kept" {
  description = "Images kept in each repository."
  type        = number
  default     = 50
}

variable "log_days" {
  description = "Days that logs of the network and of the control plane are kept."
  type        = number
}

variable "protected" {
  description = "Whether what holds data refuses to be deleted. `false` only where everything may be lost."
  type        = bool
  default     = true
}
