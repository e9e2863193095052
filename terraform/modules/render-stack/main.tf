# The four services and NATS on Render. The gateway alone has a public address; NATS is a private service with a disk.
# Each service holds its own secrets, as files, and those of nobody else.

locals {
  files = {
    gateway      = ["postgres-gateway-password", "nats-gateway-password", "key-pepper", "link-secret", "sealing-key", "metrics-token"]
    orchestrator = ["postgres-orchestrator-password", "nats-orchestrator-password", "effect-secret", "handle-secret", "metrics-token"]
    notifier     = ["postgres-notifier-password", "nats-notifier-password", "handle-secret", "sealing-key", "metrics-token"]
    pdf-worker   = ["nats-pdf-worker-password", "metrics-token"]
  }
  optional = { for service, files in local.files : service => service == "notifier" ? [for file in ["smtp-url", "slack-token"] : file if contains(var.optional_secrets, file)] : [] }

  # Settings that name files: VISAPI_KEY_PEPPER_FILE=/etc/secrets/key-pepper.
  named = { for service, files in local.files : service => { for file in concat(files, local.optional[service]) :
    (startswith(file, "postgres-") ? "VISAPI_POSTGRES_PASSWORD_FILE" : startswith(file, "nats-") ? "VISAPI_NATS_PASSWORD_FILE" : "VISAPI_${upper(replace(file, "-", "_"))}_FILE") => "/etc/secrets/${file}"
  } }

  tls = var.database_ca == "" ? "sslmode=require" : "sslmode=verify-full&sslrootcert=/etc/secrets/database-ca.crt"
  # Not the pdf-worker: it has no access to the database.
  database = { for service in ["gateway", "orchestrator", "notifier"] : service => {
    VISAPI_POSTGRES_URL = "postgresql://visapi_${service}${var.database_role_suffix}@${var.database_host}:5432/${var.database_name}?${local.tls}"
  } }

  shared = {
    VISAPI_METRICS_HOST              = "0.0.0.0"
    VISAPI_METRICS_PORT              = "9100"
    VISAPI_ARTIFACTS_URL             = "s3://${var.storage.bucket}/artifacts"
    VISAPI_S3_ENDPOINT               = var.storage.endpoint
    VISAPI_S3_REGION                 = var.storage.region
    VISAPI_S3_ACCESS_KEY_ID_FILE     = "/etc/secrets/s3-access-key-id"
    VISAPI_S3_SECRET_ACCESS_KEY_FILE = "/etc/secrets/s3-secret-access-key"
  }
  # The key of the bucket is every service's.
  storage = {
    "s3-access-key-id"     = { content = var.storage_key_id }
    "s3-secret-access-key" = { content = var.storage_key }
  }
  own = {
    gateway      = { VISAPI_HTTP_HOST = "0.0.0.0", VISAPI_HTTP_PORT = "10000", PORT = "10000" }
    orchestrator = { VISAPI_STREAM_REPLICAS = "1" }
    notifier     = { VISAPI_PUBLIC_URL = var.public_url, VISAPI_MAIL_FROM = var.mail_from }
    pdf-worker   = { VISAPI_CHROMIUM_SANDBOX = var.chromium_sandbox }
  }

  variables = { for service in keys(local.files) : service => { for name, value in merge(
    local.shared, local.own[service], local.named[service], lookup(local.database, service, {}),
    { VISAPI_NATS_URL = "nats://${service}@${render_private_service.nats.slug}:4222" },
  ) : name => { value = value } } }
  secret_files = { for service, files in local.files : service => merge(
    { for file in concat(files, local.optional[service]) : file => { content = var.secrets[file] } },
    local.storage,
    var.database_ca == "" || service == "pdf-worker" ? {} : { "database-ca.crt" = { content = var.database_ca } },
  ) }
  source = { for service in keys(local.files) : service => { image = {
    image_url              = "${var.image_registry}/visapi/${service}"
    tag                    = var.image_tag
    registry_credential_id = var.registry_credential_id
  } } }
}

resource "render_private_service" "nats" {
  name           = "${var.name}-nats"
  plan           = var.plans.nats
  region         = var.region
  num_instances  = 1
  runtime_source = { image = { image_url = "docker.io/library/nats", tag = var.nats_tag } }
  start_command  = "nats-server --config /etc/secrets/nats.conf"
  disk           = { name = "jetstream", mount_path = "/data", size_gb = var.nats_disk_gb }

  # The account is beside it: the configuration reads passwords from it, not from the environment.
  secret_files = {
    "nats.conf" = { content = <<-CONF
      port: 4222
      http: 8222
      max_payload: 1MB
      jetstream { store_dir: /data, sync_interval: always, max_memory_store: 400MB }
      include visapi-users.conf
    CONF
    }
    "visapi-users.conf" = { content = var.nats_users }
  }
}

resource "render_web_service" "gateway" {
  name                       = "${var.name}-gateway"
  plan                       = var.plans.gateway
  region                     = var.region
  num_instances              = var.replicas.gateway
  health_check_path          = "/readyz"
  max_shutdown_delay_seconds = 30
  runtime_source             = local.source["gateway"]
  env_vars                   = local.variables["gateway"]
  secret_files               = local.secret_files["gateway"]
  custom_domains             = [{ name = trimprefix(var.public_url, "https://") }]
}

resource "render_background_worker" "orchestrator" {
  name                       = "${var.name}-orchestrator"
  plan                       = var.plans.orchestrator
  region                     = var.region
  num_instances              = var.replicas.orchestrator
  max_shutdown_delay_seconds = 30
  runtime_source             = local.source["orchestrator"]
  env_vars                   = local.variables["orchestrator"]
  secret_files               = local.secret_files["orchestrator"]
}

resource "render_background_worker" "notifier" {
  name                       = "${var.name}-notifier"
  plan                       = var.plans.notifier
  region                     = var.region
  num_instances              = var.replicas.notifier
  max_shutdown_delay_seconds = 30
  runtime_source             = local.source["notifier"]
  env_vars                   = local.variables["notifier"]
  secret_files               = local.secret_files["notifier"]
}

resource "render_background_worker" "pdf_worker" {
  name                       = "${var.name}-pdf-worker"
  plan                       = var.plans.pdf_worker
  region                     = var.region
  num_instances              = var.replicas.pdf_worker
  max_shutdown_delay_seconds = 60
  runtime_source             = local.source["pdf-worker"]
  env_vars                   = local.variables["pdf-worker"]
  secret_files               = local.secret_files["pdf-worker"]
}
