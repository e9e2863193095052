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
  description = "The region of Render."
  type        = string
}

variable "supabase_region" {
  description = "The region, near that of Render: `eu-central-1` beside `frankfurt`."
  type        = string
}

variable "organization" {
  description = "The organization's slug, from the address of its settings."
  type        = string
}

variable "instance_size" {
  description = "The size of the instance. `micro` has 60 connections; VisAPI's services take 19 with one replica each."
  type        = string
  default     = "small"
}

variable "database_password" {
  description = "The password of `postgres` at first."
  type        = string
  sensitive   = true
}

variable "allowed_cidrs" {
  description = "Networks that may connect to the database: the outbound addresses of Render's region, and yours for `visapi admin`."
  type        = list(string)
}

variable "image_registry" {
  description = "The registry of the images; it has `visapi/gateway`, `visapi/orchestrator`, `visapi/notifier` and `visapi/pdf-worker`."
  type        = string
}

variable "image_tag" {
  description = "The release: the tag of the images."
  type        = string
}

variable "registry_credential_id" {
  description = "Render's credential for the registry; null: the images are public."
  type        = string
  default     = null
}

variable "public_url" {
  description = "Where people reach the gateway."
  type        = string
}

variable "mail_from" {
  description = "The sender of mails."
  type        = string
}

variable "chromium_sandbox" {
  description = "`off` only where every document is trusted. Whether Render lets Chromium make its sandbox was not tried; where it does not, the PDF worker says so and ends."
  type        = string
  default     = "on"
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
}

variable "replicas" {
  description = "Instances of the services; NATS always has one, because a disk of Render belongs to one instance."
  type = object({
    gateway      = number
    orchestrator = number
    notifier     = number
    pdf_worker   = number
  })
}

variable "database_ca" {
  description = "The certificates that sign the database's, PEM; empty: TLS without a look at the certificate (`sslmode=require`)."
  type        = string
  default     = ""
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

variable "optional_secrets" {
  description = "Which of `smtp-url` and `slack-token` are among `secrets`."
  type        = list(string)
  default     = []
}

variable "bucket" {
  description = "The bucket in Supabase's storage."
  type        = string
  default     = "artifacts"
}

variable "secrets_directory" {
  description = "The folder that `visapi admin secrets` filled, with `visapi-users.conf` of `visapi admin nats-config --output` in it."
  type        = string
  validation {
    condition     = fileexists("${var.secrets_directory}/visapi-users.conf")
    error_message = "secrets_directory is \"${var.secrets_directory}\": it holds no visapi-users.conf; docs/how-to/install-on-render-and-supabase.md says how to fill it."
  }
}
