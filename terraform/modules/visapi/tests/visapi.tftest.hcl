mock_provider "helm" {
  override_during = plan
}

variables {
  region                     = "eu-central-1"
  network_cidr               = "10.40.0.0/16"
  image_registry             = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/visapi-test"
  image_tag                  = "0.1.0"
  public_url                 = "https://visapi.example.com"
  certificate_arn            = "arn:aws:acm:eu-central-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
  secret_name                = "visapi-test/services"
  database_host              = "db.example.com"
  database_master_secret_arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:rds!db-mock"
  database_ca                = "-----BEGIN CERTIFICATE-----"
  bucket                     = "visapi-test-artifacts"
  nats_monitoring            = "nats-headless.nats:8222"
  otlp_endpoint              = "http://collector.monitoring:4318"
  replicas                   = { gateway_min = 2, gateway_max = 4, orchestrator_max = 2, pdf_worker_min = 0, pdf_worker_max = 4, notifier_min = 1, notifier_max = 4 }
}

run "what_is_planned_is_safe" {
  command = plan
  assert {
    condition     = helm_release.visapi.name == "visapi" && helm_release.visapi.namespace == "visapi" && helm_release.visapi.atomic
    error_message = "service accounts have other names than the Pod Identity associations, or a failed release stays"
  }
  assert {
    condition     = yamldecode(helm_release.visapi.values[0]).orchestrator.settings.stream_replicas == 3 && yamldecode(helm_release.visapi.values[0]).networkPolicy.podIdentity
    error_message = "streams have one replica, or pods do not reach their role"
  }
  assert {
    condition     = yamldecode(helm_release.visapi.values[0]).postgresql.caSecret == "visapi-bootstrap-database-ca"
    error_message = "the database's certificate is not looked at"
  }
  assert {
    condition     = yamldecode(helm_release.bootstrap.values[0]).secrets.entries[1] == { name = "visapi-database-master", remoteKey = var.database_master_secret_arn, keys = ["password"] } && helm_release.bootstrap.wait_for_jobs
    error_message = "services start before the database is ready, or its master's password comes from elsewhere"
  }
  assert {
    condition     = !strcontains(nonsensitive(join("", helm_release.visapi.values)), "smtp-url")
    error_message = "a secret is named that the entry does not hold"
  }
}

run "optional_secrets_and_own_values_come_last" {
  command = plan
  variables {
    optional_secrets   = ["smtp-url"]
    prometheus_address = "http://prometheus.monitoring:9090"
    extra_values       = [yamlencode({ gateway = { settings = { key_burst = 100 } } })]
  }
  assert {
    condition     = yamldecode(helm_release.visapi.values[0]).secrets.keys.smtpUrl == "smtp-url" && contains(yamldecode(helm_release.bootstrap.values[0]).secrets.entries[0].keys, "smtp-url")
    error_message = "the mail relay is forgotten"
  }
  assert {
    condition     = yamldecode(helm_release.visapi.values[0]).keda.prometheus.serverAddress == var.prometheus_address && length(helm_release.visapi.values) == 2
    error_message = "workers do not scale on the backlog, or own values are lost"
  }
}

run "wrong_values_are_refused_by_name" {
  command = plan
  variables {
    region             = "Frankfurt"
    network_cidr       = "10.40"
    image_registry     = "registry.example.com/"
    image_tag          = "latest"
    public_url         = "http://visapi.example.com"
    certificate_arn    = "visapi.example.com"
    database_ca        = ""
    optional_secrets   = ["slack"]
    trace_sample       = 2
    prometheus_address = "prometheus:9090"
    replicas           = { gateway_min = 1, gateway_max = 4, orchestrator_max = 2, pdf_worker_min = 0, pdf_worker_max = 4, notifier_min = 1, notifier_max = 4 }
  }
  expect_failures = [
    var.region, var.network_cidr, var.image_registry, var.image_tag, var.public_url, var.certificate_arn, var.database_ca,
    var.optional_secrets, var.trace_sample, var.prometheus_address, var.replicas,
  ]
}
