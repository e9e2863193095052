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

variable "image_registry" {
  description = "The registry with its prefix; the stack `aws` prints it."
  type        = string
}

variable "image_tag" {
  description = "The release: the tag of the images."
  type        = string
}

variable "public_url" {
  description = "Where people reach the gateway; begins the links in mails."
  type        = string
}

variable "certificate_arn" {
  description = "The certificate of ACM for that name."
  type        = string
}

variable "bucket" {
  description = "The bucket of the artifacts."
  type        = string
}

variable "database_ca" {
  description = "The certificates of RDS of the region, PEM."
  type        = string
}

variable "secrets_revision" {
  description = "Any text; a new one restarts all pods, so that they read rotated secrets."
  type        = string
  default     = ""
}

variable "optional_secrets" {
  description = "Which of `smtp-url` and `slack-token` the entry holds."
  type        = list(string)
  default     = []
}

variable "prometheus_address" {
  description = "Prometheus, by which workers scale on the ledger's backlog; empty: on the lag of NATS alone, which hides a backlog."
  type        = string
  default     = ""
}

variable "trace_sample" {
  description = "The fraction of new traces that is recorded."
  type        = number
  default     = 0.1
}

variable "replicas" {
  description = "Replicas of the services. `pdf_worker_min` and `notifier_min` may be 0."
  type = object({
    gateway_min      = number
    gateway_max      = number
    orchestrator_max = number
    pdf_worker_min   = number
    pdf_worker_max   = number
    notifier_min     = number
    notifier_max     = number
  })
}

variable "extra_values" {
  description = "Values of the chart that come last, each a document of YAML."
  type        = list(string)
  default     = []
}

variable "nats_storage" {
  description = "The disk of each server of NATS, as in `10Gi`: the streams EVENTS and DLQ."
  type        = string
  default     = "10Gi"
}

variable "otlp_endpoint" {
  description = "Where the collector sends traces, metrics and log records on, by OTLP over HTTP: the address of your backend, without `/v1/…`. Empty: it writes a line per batch to its log."
  type        = string
  default     = ""
}

variable "nats_accounts" {
  description = "The account of NATS where workers of tenants have users, too, as `visapi admin nats-config --worker … --json --variables` prints it; null: the services alone."
  type        = any
  default     = null
}
