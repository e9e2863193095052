variable "name" {
  description = "Begins the names of the contact points."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,40}$", var.name))
    error_message = "name is \"${var.name}\": it must be 3 to 41 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "folder" {
  description = "The folder's title."
  type        = string
  default     = "VisAPI"
}

variable "folder_uid" {
  description = "The folder's identifier."
  type        = string
  default     = "visapi"
  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,40}$", var.folder_uid))
    error_message = "folder_uid is \"${var.folder_uid}\": it must be 1 to 40 letters, digits, hyphens and underscores."
  }
}

variable "datasource_uid" {
  description = "The data source of Grafana that holds VisAPI's metrics."
  type        = string
}

variable "dashboards_directory" {
  description = "Where dashboards lie, as `*.json`."
  type        = string
}

variable "rules_directory" {
  description = "Where alert rules of Prometheus lie, as `*.yml` or `*.yaml`."
  type        = string
}

variable "emails" {
  description = "Who is told of every alert."
  type        = list(string)
  validation {
    condition     = length(var.emails) > 0 && alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", email))])
    error_message = "emails is ${jsonencode(var.emails)}: name at least one address, such as operators@example.com."
  }
}

variable "slack_url" {
  description = "A webhook of Slack, told of every alert; empty: none. It stands in the state, as the provider has no write-only argument for it."
  type        = string
  sensitive   = true
  default     = ""
  validation {
    condition     = var.slack_url == "" || startswith(var.slack_url, "https://")
    error_message = "slack_url must be empty or begin with https://."
  }
}

variable "pagerduty_key" {
  description = "An integration key of PagerDuty for alerts of severity `page`; empty: they are mailed as the others. It stands in the state, too."
  type        = string
  sensitive   = true
  default     = ""
  validation {
    condition     = var.pagerduty_key == "" || length(var.pagerduty_key) == 32
    error_message = "pagerduty_key must be empty or have 32 characters."
  }
}
