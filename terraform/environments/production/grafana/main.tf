# Production, in Grafana. Values only: what they make is in terraform/stacks/grafana.

terraform {
  required_version = ">= 1.10, < 2.0"
  required_providers {
    grafana = {
      source  = "grafana/grafana"
      version = "~> 4.0"
    }
  }

  # A bucket of yours for the state, versioned and encrypted; it is made once, by hand.
  backend "s3" {
    bucket       = "example-visapi-state"
    key          = "production/grafana.tfstate"
    region       = "eu-central-1"
    encrypt      = true
    use_lockfile = true
  }
}

variable "slack_url" {
  description = "A webhook of Slack; TF_VAR_slack_url."
  type        = string
  sensitive   = true
  default     = ""
}

variable "pagerduty_key" {
  description = "An integration key of PagerDuty; TF_VAR_pagerduty_key."
  type        = string
  sensitive   = true
  default     = ""
}

# Its token is GRAFANA_AUTH.
provider "grafana" {
  url = "https://example.grafana.net"
}

module "stack" {
  source = "../../../stacks/grafana"

  environment    = "production"
  datasource_uid = "grafanacloud-prom"
  emails         = ["operators@example.com"]
  slack_url      = var.slack_url
  pagerduty_key  = var.pagerduty_key
}

output "stack" {
  description = "The folder and its rules."
  value       = module.stack
}
