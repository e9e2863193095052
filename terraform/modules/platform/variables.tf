variable "region" {
  description = "The region of Secrets Manager."
  type        = string
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is \"${var.region}\": it must be the name of a region, such as eu-central-1."
  }
}

variable "secret_name" {
  description = "The entry of Secrets Manager with the secrets of the services."
  type        = string
}

variable "nats_accounts" {
  description = "The account of NATS with its users, as `visapi admin nats-config --json --variables` prints it: names of variables, no passwords."
  type        = any
  validation {
    condition     = alltrue(flatten([for account in values(var.nats_accounts) : [for user in account.users : startswith(user.password, "<< $VISAPI_NATS_")]]))
    error_message = "nats_accounts holds a password: each must be the name of a variable, such as << $VISAPI_NATS_GATEWAY_PASSWORD >>; make it with visapi admin nats-config --json --variables."
  }
}

variable "nats_storage" {
  description = "The disk of each server of NATS, as in `10Gi`: the streams EVENTS and DLQ."
  type        = string
  default     = "10Gi"
  validation {
    condition     = can(regex("^[1-9][0-9]*Gi$", var.nats_storage))
    error_message = "nats_storage is \"${var.nats_storage}\": write gibibytes, such as 10Gi."
  }
}

variable "otlp_endpoint" {
  description = "Where the collector sends traces, metrics and log records on, by OTLP over HTTP: the address of your backend, without `/v1/…`. Empty: it writes a line per batch to its log."
  type        = string
  default     = ""
  validation {
    condition     = var.otlp_endpoint == "" || can(regex("^https?://[^/ ]+", var.otlp_endpoint))
    error_message = "otlp_endpoint is \"${var.otlp_endpoint}\": it must be empty or a URL, such as https://otlp.example.com."
  }
}

variable "versions" {
  description = "Versions of the charts."
  type = object({
    external_secrets = optional(string, "2.9.0")
    keda             = optional(string, "2.20.2")
    nats             = optional(string, "2.14.2")
    collector        = optional(string, "0.170.0")
  })
  default = {}
  validation {
    condition     = alltrue([for version in values(var.versions) : can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", version))])
    error_message = "versions is ${jsonencode(var.versions)}: each must be exact, such as 2.14.2."
  }
}
