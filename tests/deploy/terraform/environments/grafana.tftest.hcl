# What an environment's values make, planned.
mock_provider "grafana" {
  override_during = plan
}

run "environment" {
  command = plan
  variables {
    slack_url     = "https://hooks.slack.com/services/x"
    pagerduty_key = "00000000000000000000000000000000"
  }
}
