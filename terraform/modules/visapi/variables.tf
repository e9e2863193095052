variable "region" {
  description = "The region of Secrets Manager and of the bucket."
  type        = string
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is \"${var.region}\": it must be the name of a region, such as eu-central-1."
  }
}

variable "network_cidr" {
  description = "The addresses of the VPC: where the database is, and where proxies are trusted."
  type        = string
  validation {
    condition     = can(cidrhost(var.network_cidr, 0))
    error_message = "network_cidr is \"${var.network_cidr}\": it must be a network, such as 10.40.0.0/16."
  }
}

variable "image_registry" {
  description = "The registry with its prefix; the stack `aws` prints it."
  type        = string
  validation {
    condition     = length(var.image_registry) > 0 && !endswith(var.image_registry, "/")
    error_message = "image_registry is \"${var.image_registry}\": it must be a registry without a slash at the end."
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

variable "public_url" {
  description = "Where people reach the gateway; begins the links in mails."
  type        = string
  validation {
    condition     = can(regex("^https://[^/ ]+$", var.public_url))
    error_message = "public_url is \"${var.public_url}\": it must begin with https:// and have no path, such as https://visapi.example.com."
  }
}

variable "certificate_arn" {
  description = "The certificate of ACM for that name."
  type        = string
  validation {
    condition     = can(regex("^arn:[a-z-]+:acm:[a-z0-9-]+:[0-9]{12}:certificate/.+$", var.certificate_arn))
    error_message = "certificate_arn is \"${var.certificate_arn}\": it must be the ARN of a certificate of ACM."
  }
}

variable "secret_name" {
  description = "The entry of Secrets Manager with the secrets of the services."
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
  validation {
    condition     = alltrue([for key in var.optional_secrets : contains(["smtp-url", "slack-token"], key)])
    error_message = "optional_secrets is ${jsonencode(var.optional_secrets)}: smtp-url and slack-token are allowed."
  }
}

variable "database_host" {
  description = "The host of PostgreSQL."
  type        = string
}

variable "database_master_secret_arn" {
  description = "The entry of Secrets Manager with the password of the database's master."
  type        = string
}

variable "database_ca" {
  description = "The certificates of RDS of the region, PEM."
  type        = string
  validation {
    condition     = strcontains(var.database_ca, "-----BEGIN CERTIFICATE-----")
    error_message = "database_ca holds no certificate: it must be PEM; docs/how-to/install-on-aws.md says where RDS publishes it."
  }
}

variable "bucket" {
  description = "The bucket of the artifacts."
  type        = string
}

variable "nats_monitoring" {
  description = "Where KEDA reads the lag of consumers, as in `nats-headless.nats:8222`."
  type        = string
}

variable "otlp_endpoint" {
  description = "Where the services send traces and metrics, by OTLP over HTTP."
  type        = string
}

variable "trace_sample" {
  description = "The fraction of new traces that is recorded."
  type        = number
  default     = 0.1
  validation {
    condition     = var.trace_sample >= 0 && var.trace_sample <= 1
    error_message = "trace_sample is ${var.trace_sample}: 0 to 1 are allowed."
  }
}

variable "prometheus_address" {
  description = "Prometheus, by which workers scale on the ledger's backlog; empty: on the lag of NATS alone, which hides a backlog."
  type        = string
  default     = ""
  validation {
    condition     = var.prometheus_address == "" || can(regex("^https?://[^/ ]+", var.prometheus_address))
    error_message = "prometheus_address is \"${var.prometheus_address}\": it must be empty or a URL, such as http://prometheus.monitoring:9090."
  }
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
  validation {
    condition     = var.replicas.gateway_min >= 2 && var.replicas.gateway_max >= var.replicas.gateway_min && var.replicas.gateway_max <= 100
    error_message = "replicas.gateway_min is ${var.replicas.gateway_min} and gateway_max is ${var.replicas.gateway_max}: 2 at least, and gateway_max between gateway_min and 100."
  }
  validation {
    condition     = var.replicas.orchestrator_max >= 2 && var.replicas.orchestrator_max <= 16
    error_message = "replicas.orchestrator_max is ${var.replicas.orchestrator_max}: 2 to 16 are allowed."
  }
  validation {
    condition     = var.replicas.pdf_worker_min >= 0 && var.replicas.pdf_worker_max >= 1 && var.replicas.pdf_worker_max >= var.replicas.pdf_worker_min && var.replicas.pdf_worker_max <= 100
    error_message = "replicas.pdf_worker_min is ${var.replicas.pdf_worker_min} and pdf_worker_max is ${var.replicas.pdf_worker_max}: 0 at least, and pdf_worker_max between 1, pdf_worker_min and 100."
  }
  validation {
    condition     = var.replicas.notifier_min >= 0 && var.replicas.notifier_max >= 1 && var.replicas.notifier_max >= var.replicas.notifier_min && var.replicas.notifier_max <= 100
    error_message = "replicas.notifier_min is ${var.replicas.notifier_min} and notifier_max is ${var.replicas.notifier_max}: 0 at least, and notifier_max between 1, notifier_min and 100."
  }
}

variable "extra_values" {
  description = "Values of the chart that come last, each a document of YAML."
  type        = list(string)
  default     = []
}
