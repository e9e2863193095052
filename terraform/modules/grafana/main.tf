# A folder of Grafana with the dashboards and alert rules of deploy/observability, and the way of alerts to people: severity `page`
# wakes somebody, all else is a message. Rules are written once, for Prometheus; here they become rules that Grafana evaluates.

locals {
  dashboards = { for file in fileset(var.dashboards_directory, "*.json") : trimsuffix(file, ".json") => file("${var.dashboards_directory}/${file}") }
  rule_files = fileset(var.rules_directory, "*.{yml,yaml}")
  listed     = flatten([for file in local.rule_files : yamldecode(file("${var.rules_directory}/${file}")).groups])
  # Groups of recording rules alone have nothing to tell anybody.
  alerting = { for group in local.listed : group.name => group if anytrue([for rule in group.rules : can(rule.alert)]) }
  alerts   = { for name, group in local.alerting : name => [for rule in group.rules : rule if can(rule.alert)] }
  # Prometheus writes `30s` or `1m`; a group without an interval has a minute.
  seconds = { for name, group in local.alerting : name => try(tonumber(trimsuffix(group.interval, "s")), try(60 * tonumber(trimsuffix(group.interval, "m")), 60)) }

  pager    = nonsensitive(var.pagerduty_key != "")
  slack    = nonsensitive(var.slack_url != "")
  messages = grafana_contact_point.messages.name
}

resource "grafana_folder" "this" {
  title                        = var.folder
  uid                          = var.folder_uid
  prevent_destroy_if_not_empty = true
}

resource "grafana_dashboard" "this" {
  for_each    = local.dashboards
  folder      = grafana_folder.this.uid
  config_json = each.value
  overwrite   = true
}

resource "grafana_rule_group" "this" {
  for_each         = local.alerts
  name             = each.key
  folder_uid       = grafana_folder.this.uid
  interval_seconds = local.seconds[each.key]

  dynamic "rule" {
    for_each = each.value
    content {
      name           = rule.value.alert
      condition      = "firing"
      for            = try(rule.value.for, "0s")
      labels         = try(rule.value.labels, {})
      annotations    = try(rule.value.annotations, {})
      no_data_state  = "OK"
      exec_err_state = "Error"

      data {
        ref_id         = "query"
        datasource_uid = var.datasource_uid
        relative_time_range {
          from = 600
          to   = 0
        }
        model = jsonencode({ refId = "query", expr = rule.value.expr, instant = true, range = false })
      }

      # Prometheus fires for each series that a query returns, whatever its value: also for `up == 0`, whose value is 0.
      data {
        ref_id         = "there"
        datasource_uid = "__expr__"
        relative_time_range {
          from = 0
          to   = 0
        }
        model = jsonencode({ refId = "there", type = "math", expression = "is_number($query) || is_nan($query) || is_inf($query)" })
      }
      data {
        ref_id         = "firing"
        datasource_uid = "__expr__"
        relative_time_range {
          from = 0
          to   = 0
        }
        model = jsonencode({
          refId      = "firing"
          type       = "threshold"
          expression = "there"
          conditions = [{ evaluator = { type = "gt", params = [0] } }]
        })
      }
    }
  }
}

resource "grafana_contact_point" "messages" {
  name = "${var.name}-messages"

  email {
    addresses               = var.emails
    single_email            = true
    disable_resolve_message = false
  }
  dynamic "slack" {
    for_each = local.slack ? ["slack"] : []
    content {
      url   = var.slack_url
      title = "{{ .CommonLabels.alertname }} ({{ .CommonLabels.severity }})"
      text  = "{{ .CommonAnnotations.summary }}\n{{ .CommonAnnotations.runbook_url }}"
    }
  }
}

resource "grafana_contact_point" "pager" {
  count = local.pager ? 1 : 0
  name  = "${var.name}-pager"

  pagerduty {
    integration_key = var.pagerduty_key
    severity        = "critical"
    summary         = "{{ .CommonLabels.alertname }}: {{ .CommonAnnotations.summary }}"
  }
}

# The whole tree of routes of this Grafana: it has one, and whoever shares it adds routes here.
resource "grafana_notification_policy" "this" {
  contact_point   = local.messages
  group_by        = ["alertname", "service"]
  group_wait      = "30s"
  group_interval  = "5m"
  repeat_interval = "12h"

  policy {
    matcher {
      label = "severity"
      match = "="
      value = "page"
    }
    contact_point   = local.pager ? grafana_contact_point.pager[0].name : local.messages
    group_by        = ["alertname", "service"]
    group_wait      = "10s"
    repeat_interval = "1h"
  }
}
