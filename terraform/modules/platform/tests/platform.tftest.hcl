mock_provider "helm" {
  override_during = plan
}

variables {
  region        = "eu-central-1"
  secret_name   = "visapi-test/services"
  nats_accounts = jsondecode(file("../../stacks/cluster/nats-accounts.json"))
}

run "what_is_planned_is_safe" {
  command = plan
  assert {
    condition     = alltrue([for each in [helm_release.external_secrets, helm_release.keda, helm_release.nats, helm_release.collector] : each.atomic && can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", each.version)) && startswith(each.repository, "https://")])
    error_message = "a release can stay half installed, or its version floats"
  }
  assert {
    condition     = yamldecode(helm_release.nats.values[0]).config.cluster.replicas == 3 && yamldecode(helm_release.nats.values[0]).config.merge.jetstream.sync_interval == "always"
    error_message = "NATS has fewer than three servers, or may lose events"
  }
  assert {
    condition     = length(yamldecode(helm_release.nats.values[1]).config.merge.accounts.VISAPI.users) == 4 && yamldecode(helm_release.nats.values[1]).config.jetstream.fileStore.pvc.storageClassName == "gp3"
    error_message = "NATS lacks the users of the services"
  }
  assert {
    condition     = yamldecode(helm_release.nats_secrets.values[0]).secrets.entries[0].keys == ["nats-gateway-password", "nats-orchestrator-password", "nats-pdf-worker-password", "nats-notifier-password"]
    error_message = "NATS gets other secrets than passwords of its users"
  }
  assert {
    condition     = yamldecode(helm_release.collector.values[0]).alternateConfig.service.pipelines.traces.exporters == ["debug"] && contains(keys(yamldecode(helm_release.collector.values[0]).alternateConfig.exporters), "debug")
    error_message = "the collector exports to ${jsonencode(yamldecode(helm_release.collector.values[0]).alternateConfig.exporters)}"
  }
  assert {
    condition     = yamldecode(helm_release.external_secrets.values[0]).serviceAccount.name == "external-secrets"
    error_message = "the operator's service account has no role"
  }
}

run "traces_go_to_a_backend" {
  command = plan
  variables {
    otlp_endpoint = "https://otlp.example.com"
  }
  assert {
    condition     = yamldecode(helm_release.collector.values[0]).alternateConfig.exporters == { otlphttp = { endpoint = "https://otlp.example.com" } } && yamldecode(helm_release.collector.values[0]).alternateConfig.service.pipelines.traces.exporters == ["otlphttp"]
    error_message = "traces go to ${jsonencode(yamldecode(helm_release.collector.values[0]).alternateConfig.exporters)}"
  }
}

run "wrong_values_are_refused_by_name" {
  command = plan
  variables {
    region        = "Frankfurt"
    nats_storage  = "10GB"
    otlp_endpoint = "otlp.example.com"
    versions      = { nats = "2.x" }
    nats_accounts = { VISAPI = { users = [{ user = "gateway", password = "hunter2" }] } }
  }
  expect_failures = [var.region, var.nats_storage, var.otlp_endpoint, var.versions, var.nats_accounts]
}
