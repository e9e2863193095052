variable "name" {
  description = "Begins the names of all services."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.name))
    error_message = "name is \"${var.name}\": it must be 3 to 31 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "region" {
  description = "The region of Render."
  type        = string
  validation {
    condition     = contains(["frankfurt", "ohio", "oregon", "singapore", "virginia"], var.region)
    error_message = "region is \"${var.region}\": frankfurt, ohio, oregon, singapore and virginia are allowed."
  }
}

variable "image_registry" {
  description = "The registry of the images; it has `visapi/gateway`, `visapi/orchestrator`, `visapi/notifier` and `visapi/pdf-worker`."
  type        = string
  validation {
    condition     = length(var.image_registry) > 0 && !endswith(var.image_registry, "/")
    error_message = "image_registry is \"${var.image_registry}\": it must be a registry without a slash at the end, such as ghcr.io/example."
  }
}

variable "image_tag" {
  description = "The release: the tag of the images."
  type        = string
  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag is \"${var.image_tag}\": it must be the tag of a release, and never latest."
  }
}

variable "registry_credential_id" {
  description = "Render's credential for the registry; null: the images are public."
  type        = string
  default     = null
}

variable "nats_tag" {
  description = "The tag of NATS' own image, 2.10 or newer."
  type        = string
  default     = "2.12"
  validation {
    condition     = can(regex("^2\\.[1-9][0-9]", var.nats_tag))
    error_message = "nats_tag is \"${var.nats_tag}\": it must be 2.10 or newer."
  }
}

variable "nats_disk_gb" {
  description = "Gigabytes of the disk of NATS: the streams EVENTS and DLQ."
  type        = number
  default     = 10
  validation {
    condition     = var.nats_disk_gb >= 2 && var.nats_disk_gb <= 1000
    error_message = "nats_disk_gb is ${var.nats_disk_gb}: 2 to 1000 are allowed."
  }
}

variable "public_url" {
  description = "Where people reach the gateway."
  type        = string
  validation {
    condition     = can(regex("^https://[^/ ]+$", var.public_url))
    error_message = "public_url is \"${var.public_url}\": it must begin with https:// and have no path, such as https://visapi.example.com."
  }
}

variable "mail_from" {
  description = "The sender of mails."
  type        = string
}

variable "chromium_sandbox" {
  description = "`off` only where every document is trusted. Whether Render lets Chromium make its sandbox was not tried; where it does not, the PDF worker says so and ends."
  type        = string
  default     = "on"
  validation {
    condition     = contains(["on", "off"], var.chromium_sandbox)
    error_message = "chromium_sandbox is \"${var.chromium_sandbox}\": on and off are allowed."
  }
}

variable "plans" {
  description = "Plans of Render. Memory at least: gateway and notifier 512 MB, orchestrator 1 GB, PDF worker 2 GB, NATS 512 MB."
  type = object({
    gateway      = string
    orchestrator = string
    notifier     = string
    pdf_worker   = string
    nats         = string
  })
  validation {
    condition     = alltrue([for plan in values(var.plans) : contains(["starter", "standard", "pro", "pro_plus", "pro_max", "pro_ultra"], plan)])
    error_message = "plans is ${jsonencode(var.plans)}: starter, standard, pro, pro_plus, pro_max and pro_ultra are allowed."
  }
}

variable "replicas" {
  description = "Instances of the services; NATS always has one, because a disk of Render belongs to one instance."
  type = object({
    gateway      = number
    orchestrator = number
    notifier     = number
    pdf_worker   = number
  })
  validation {
    condition     = alltrue([for count in values(var.replicas) : count >= 1 && count <= 100])
    error_message = "replicas is ${jsonencode(var.replicas)}: 1 to 100 are allowed."
  }
}

variable "database_host" {
  description = "The host of PostgreSQL."
  type        = string
}

variable "database_name" {
  description = "The database."
  type        = string
  default     = "postgres"
}

variable "database_role_suffix" {
  description = "What the pooler wants behind each role: `.` and the project's identifier on Supabase."
  type        = string
  default     = ""
}

variable "database_ca" {
  description = "The certificates that sign the database's, PEM; empty: TLS without a look at the certificate (`sslmode=require`)."
  type        = string
  default     = ""
}

variable "storage" {
  description = "The artifact store: a bucket behind an S3 address."
  type = object({
    bucket   = string
    endpoint = string
    region   = string
  })
  validation {
    condition     = startswith(var.storage.endpoint, "https://")
    error_message = "storage.endpoint is \"${var.storage.endpoint}\": it must begin with https://."
  }
}

variable "storage_key_id" {
  description = "The access key of the bucket."
  type        = string
  sensitive   = true
}

variable "storage_key" {
  description = "The secret of that key."
  type        = string
  sensitive   = true
}

variable "secrets" {
  description = "What `visapi admin secrets` made, by file; they stand in the state, as the provider has no write-only argument for them."
  type        = map(string)
  sensitive   = true
  validation {
    condition = length(setsubtract([
      "postgres-gateway-password", "postgres-orchestrator-password", "postgres-notifier-password",
      "nats-gateway-password", "nats-orchestrator-password", "nats-pdf-worker-password", "nats-notifier-password",
      "key-pepper", "link-secret", "effect-secret", "handle-secret", "sealing-key", "metrics-token",
    ], keys(var.secrets))) == 0
    error_message = "secrets lacks a file of visapi admin secrets: postgres-…-password and nats-…-password of the services, key-pepper, link-secret, effect-secret, handle-secret, sealing-key and metrics-token are needed."
  }
}

variable "optional_secrets" {
  description = "Which of `smtp-url` and `slack-token` are among `secrets`."
  type        = list(string)
  default     = []
  validation {
    condition     = alltrue([for key in var.optional_secrets : contains(["smtp-url", "slack-token"], key)])
    error_message = "optional_secrets is ${jsonencode(var.optional_secrets)}: smtp-url and slack-token are allowed."
  }
}

variable "nats_users" {
  description = "The account of NATS with its users, as `visapi admin nats-config --output` writes it, passwords included."
  type        = string
  sensitive   = true
  validation {
    condition     = strcontains(var.nats_users, "accounts")
    error_message = "nats_users is no account of NATS: make it with visapi admin nats-config --output."
  }
}
