variable "name" {
  description = "The cluster's name; begins the names of all resources."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "name is \"${var.name}\": it must be 3 to 31 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "kubernetes_version" {
  description = "Kubernetes, 1.30 or newer."
  type        = string
  default     = "1.33"
  validation {
    condition     = can(regex("^1\\.(3[0-9]|[4-9][0-9])$", var.kubernetes_version))
    error_message = "kubernetes_version is \"${var.kubernetes_version}\": it must be 1.30 or newer, without a patch, such as 1.33."
  }
}

variable "subnet_ids" {
  description = "Private subnets of two zones at least."
  type        = list(string)
  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids has ${length(var.subnet_ids)} subnets: EKS needs 2 at least, in different zones."
  }
}

variable "kms_key_arn" {
  description = "The key of Kubernetes' secrets and of the cluster's logs."
  type        = string
}

variable "public_access_cidrs" {
  description = "Networks that reach the cluster's API over the internet; empty: only the VPC does."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for cidr in var.public_access_cidrs : can(cidrhost(cidr, 0)) && cidr != "0.0.0.0/0"])
    error_message = "public_access_cidrs is ${jsonencode(var.public_access_cidrs)}: name networks such as 198.51.100.0/24, and never 0.0.0.0/0."
  }
}

variable "administrators" {
  description = "ARNs of the roles or users of IAM that administer the cluster; whoever applies the stack `cluster` is among them."
  type        = list(string)
  validation {
    condition     = length(var.administrators) > 0 && alltrue([for arn in var.administrators : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/.+$", arn))])
    error_message = "administrators is ${jsonencode(var.administrators)}: name at least one role or user, such as arn:aws:iam::111122223333:role/platform."
  }
}

variable "node_groups" {
  description = "Managed node groups by name. The three servers of NATS need three nodes."
  type = map(object({
    instance_types = list(string)
    nodes_min      = number
    nodes_max      = number
    disk_gb        = optional(number, 50)
    ami_type       = optional(string, "AL2023_x86_64_STANDARD")
    labels         = optional(map(string), {})
  }))
  validation {
    condition     = length(var.node_groups) > 0 && alltrue([for group in var.node_groups : group.nodes_min >= 1 && group.nodes_max >= group.nodes_min && group.nodes_max <= 450])
    error_message = "node_groups: nodes_min must be 1 or more, and nodes_max between nodes_min and 450; given is ${jsonencode({ for name, group in var.node_groups : name => [group.nodes_min, group.nodes_max] })}."
  }
  validation {
    condition     = alltrue([for group in var.node_groups : group.disk_gb >= 20 && group.disk_gb <= 16384])
    error_message = "node_groups: disk_gb must be 20 to 16384; given is ${jsonencode({ for name, group in var.node_groups : name => group.disk_gb })}."
  }
  validation {
    condition     = alltrue([for group in var.node_groups : startswith(group.ami_type, "AL2023_")])
    error_message = "node_groups: ami_type must be one of AL2023, whose user data is merged; given is ${jsonencode({ for name, group in var.node_groups : name => group.ami_type })}."
  }
}

variable "pod_identities" {
  description = "What pods may do in AWS: by name, a policy and the service accounts that have it."
  type = map(object({
    namespace        = string
    service_accounts = list(string)
    policy           = string
  }))
  default = {}
}

variable "seccomp_profile" {
  description = "The seccomp profile of the PDF worker, as JSON: deploy/seccomp/pdf-worker.json."
  type        = string
  validation {
    condition     = can(jsondecode(var.seccomp_profile).syscalls)
    error_message = "seccomp_profile is no seccomp profile: it must be JSON with syscalls, as in deploy/seccomp/pdf-worker.json."
  }
}

variable "log_days" {
  description = "Days that logs of the control plane are kept."
  type        = number
  default     = 365
  validation {
    condition     = contains([30, 90, 180, 365, 400, 731], var.log_days)
    error_message = "log_days is ${var.log_days}: CloudWatch keeps 30, 90, 180, 365, 400 or 731 days."
  }
}
