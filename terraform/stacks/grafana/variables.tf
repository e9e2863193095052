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

variable "datasource_uid" {
  description = "The data source of Grafana that holds VisAPI's metrics."
  type        = string
}

variable "emails" {
  description = "Who is told of every alert."
  type        = list(string)
}

variable "slack_url" {
  description = "A webhook of Slack, told of every alert; empty: none. It stands in the state, as the provider has no write-only argument for it."
  type        = string
  sensitive   = true
  default     = ""
}

variable "pagerduty_key" {
  description = "An integration key of PagerDuty for alerts of severity `page`; empty: they are mailed as the others. It stands in the state, too."
  type        = string
  sensitive   = true
  default     = ""
}

variable "observability_directory" {
  description = "Where `dashboards` and `rules` lie; null: deploy/observability of this checkout."
  type        = string
  default     = null
}
