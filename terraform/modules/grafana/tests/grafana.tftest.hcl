mock_provider "grafana" {
  override_during = plan
}

variables {
  name                 = "visapi-test"
  datasource_uid       = "prometheus"
  dashboards_directory = "./tests/observability/dashboards"
  rules_directory      = "./tests/observability/rules"
  emails               = ["operators@example.com"]
}

run "rules_of_prometheus_fire_in_grafana_as_they_do_there" {
  command = plan
  assert {
    condition     = jsonencode(output.rules) == jsonencode({ stores = 1 }) && grafana_rule_group.this["stores"].interval_seconds == 30
    error_message = "groups are ${jsonencode(output.rules)}"
  }
  assert {
    condition     = grafana_rule_group.this["stores"].rule[0].name == "PostgresAway" && grafana_rule_group.this["stores"].rule[0].for == "2m" && grafana_rule_group.this["stores"].rule[0].labels.severity == "page"
    error_message = "the rule lost its name, its time or its label"
  }
  assert {
    condition     = jsondecode(grafana_rule_group.this["stores"].rule[0].data[0].model).expr == "visapi_postgres_up == 0" && strcontains(jsondecode(grafana_rule_group.this["stores"].rule[0].data[1].model).expression, "is_number($query)")
    error_message = "a series with the value 0 would not fire"
  }
  assert {
    condition     = keys(grafana_dashboard.this) == ["overview"]
    error_message = "dashboards are ${jsonencode(keys(grafana_dashboard.this))}"
  }
  assert {
    condition     = grafana_notification_policy.this.policy[0].contact_point == "visapi-test-messages"
    error_message = "pages go nowhere without a pager"
  }
}

run "pages_wake_somebody" {
  command = plan
  variables {
    slack_url     = "https://hooks.slack.com/services/x"
    pagerduty_key = "00000000000000000000000000000000"
  }
  assert {
    condition     = grafana_notification_policy.this.policy[0].contact_point == "visapi-test-pager" && [for each in grafana_notification_policy.this.policy[0].matcher : each.value] == ["page"]
    error_message = "pages go to ${grafana_notification_policy.this.policy[0].contact_point}"
  }
  assert {
    condition     = length(grafana_contact_point.messages.slack) == 1 && length(grafana_contact_point.messages.email) == 1
    error_message = "messages go to one place only"
  }
}

run "wrong_values_are_refused_by_name" {
  command = plan
  variables {
    name          = "VisAPI"
    folder_uid    = "a b"
    emails        = ["operators"]
    slack_url     = "hooks.slack.com"
    pagerduty_key = "short"
  }
  expect_failures = [var.name, var.folder_uid, var.emails, var.slack_url, var.pagerduty_key]
}
