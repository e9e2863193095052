# Dashboards, alert rules and the way of alerts to people, in a Grafana that you have.

locals {
  observability = coalesce(var.observability_directory, "${path.module}/../../../deploy/observability")
}

module "grafana" {
  source               = "../../modules/grafana"
  name                 = "${var.project}-${var.environment}"
  folder               = "VisAPI ${var.environment}"
  folder_uid           = "${var.project}-${var.environment}"
  datasource_uid       = var.datasource_uid
  dashboards_directory = "${local.observability}/dashboards"
  rules_directory      = "${local.observability}/rules"
  emails               = var.emails
  slack_url            = var.slack_url
  pagerduty_key        = var.pagerduty_key
}
