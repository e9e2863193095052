mock_provider "render" {
  override_during = plan
  mock_resource "render_private_service" {
    defaults = { slug = "visapi-test-nats-abcd" }
  }
}

variables {
  name                 = "visapi-test"
  region               = "frankfurt"
  image_registry       = "ghcr.io/example"
  image_tag            = "0.1.0"
  public_url           = "https://visapi.example.com"
  mail_from            = "VisAPI <no-reply@example.com>"
  plans                = { gateway = "starter", orchestrator = "standard", notifier = "starter", pdf_worker = "standard", nats = "starter" }
  replicas             = { gateway = 2, orchestrator = 1, notifier = 1, pdf_worker = 1 }
  database_host        = "pooler.example.com"
  database_role_suffix = ".ref"
  storage              = { bucket = "artifacts", endpoint = "https://ref.supabase.co/storage/v1/s3", region = "eu-central-1" }
  storage_key_id       = "id"
  storage_key          = "key"
  nats_users           = "accounts: {}"
  secrets = {
    postgres-gateway-password      = "g"
    postgres-orchestrator-password = "o"
    postgres-notifier-password     = "n"
    nats-gateway-password          = "ng"
    nats-orchestrator-password     = "no"
    nats-pdf-worker-password       = "np"
    nats-notifier-password         = "nn"
    key-pepper                     = "00"
    link-secret                    = "01"
    effect-secret                  = "02"
    handle-secret                  = "03"
    sealing-key                    = "04"
    metrics-token                  = "05"
    postgres-owner-password        = "never given to a service"
  }
}

run "each_service_has_its_own_secrets_and_nobody_else_s" {
  command = plan
  assert {
    condition     = nonsensitive(keys(render_background_worker.pdf_worker.secret_files)) == tolist(["metrics-token", "nats-pdf-worker-password", "s3-access-key-id", "s3-secret-access-key"])
    error_message = "the PDF worker holds other secrets than its own"
  }
  assert {
    condition     = !contains(nonsensitive(keys(merge(render_web_service.gateway.secret_files, render_background_worker.orchestrator.secret_files, render_background_worker.notifier.secret_files))), "postgres-owner-password")
    error_message = "a service holds the owner's password"
  }
  assert {
    condition     = nonsensitive(render_web_service.gateway.env_vars["VISAPI_POSTGRES_URL"].value) == "postgresql://visapi_gateway.ref@pooler.example.com:5432/postgres?sslmode=require"
    error_message = "the gateway connects by ${nonsensitive(render_web_service.gateway.env_vars["VISAPI_POSTGRES_URL"].value)}"
  }
  assert {
    condition     = nonsensitive(render_background_worker.notifier.env_vars["VISAPI_NATS_URL"].value) == "nats://notifier@visapi-test-nats-abcd:4222" && nonsensitive(render_background_worker.notifier.env_vars["VISAPI_NATS_PASSWORD_FILE"].value) == "/etc/secrets/nats-notifier-password"
    error_message = "the notifier does not reach NATS"
  }
  assert {
    condition     = !contains(nonsensitive(keys(render_background_worker.pdf_worker.env_vars)), "VISAPI_POSTGRES_URL")
    error_message = "the PDF worker knows the database"
  }
  assert {
    condition     = alltrue([for service in [render_web_service.gateway, render_background_worker.orchestrator, render_background_worker.notifier, render_background_worker.pdf_worker] : nonsensitive(service.secret_files["s3-secret-access-key"].content) == "key" && nonsensitive(service.env_vars["VISAPI_S3_SECRET_ACCESS_KEY_FILE"].value) == "/etc/secrets/s3-secret-access-key" && nonsensitive(service.env_vars["VISAPI_S3_ENDPOINT"].value) == "https://ref.supabase.co/storage/v1/s3" && !anytrue([for name in keys(nonsensitive(service.env_vars)) : startswith(name, "AWS_")])])
    error_message = "a service does not reach the bucket by its settings, or the bucket's key is no file"
  }
  assert {
    condition     = render_private_service.nats.num_instances == 1 && render_private_service.nats.disk.mount_path == "/data" && strcontains(nonsensitive(render_private_service.nats.secret_files["nats.conf"].content), "sync_interval: always")
    error_message = "NATS may lose events"
  }
}

run "the_database_s_certificate_is_looked_at_where_it_is_known" {
  command = plan
  variables {
    database_ca      = "-----BEGIN CERTIFICATE-----"
    optional_secrets = ["smtp-url"]
    secrets = {
      postgres-gateway-password      = "g"
      postgres-orchestrator-password = "o"
      postgres-notifier-password     = "n"
      nats-gateway-password          = "ng"
      nats-orchestrator-password     = "no"
      nats-pdf-worker-password       = "np"
      nats-notifier-password         = "nn"
      key-pepper                     = "00"
      link-secret                    = "01"
      effect-secret                  = "02"
      handle-secret                  = "03"
      sealing-key                    = "04"
      metrics-token                  = "05"
      smtp-url                       = "smtps://example.com"
    }
  }
  assert {
    condition     = endswith(nonsensitive(render_web_service.gateway.env_vars["VISAPI_POSTGRES_URL"].value), "sslmode=verify-full&sslrootcert=/etc/secrets/database-ca.crt") && contains(nonsensitive(keys(render_web_service.gateway.secret_files)), "database-ca.crt")
    error_message = "the certificate is not looked at"
  }
  assert {
    condition     = nonsensitive(render_background_worker.notifier.env_vars["VISAPI_SMTP_URL_FILE"].value) == "/etc/secrets/smtp-url"
    error_message = "the notifier has no mail relay"
  }
}

run "wrong_values_are_refused_by_name" {
  command = plan
  variables {
    name             = "VisAPI"
    region           = "eu-central-1"
    image_registry   = "ghcr.io/example/"
    image_tag        = "latest"
    nats_tag         = "2.9"
    nats_disk_gb     = 1
    public_url       = "visapi.example.com"
    chromium_sandbox = "maybe"
    plans            = { gateway = "free", orchestrator = "standard", notifier = "starter", pdf_worker = "standard", nats = "starter" }
    replicas         = { gateway = 0, orchestrator = 1, notifier = 1, pdf_worker = 1 }
    storage          = { bucket = "artifacts", endpoint = "ref.supabase.co", region = "eu-central-1" }
    optional_secrets = ["slack"]
    nats_users       = ""
  }
  expect_failures = [
    var.name, var.region, var.image_registry, var.image_tag, var.nats_tag, var.nats_disk_gb, var.public_url, var.chromium_sandbox,
    var.plans, var.replicas, var.storage, var.optional_secrets, var.nats_users,
  ]
}
