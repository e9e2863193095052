# What runs in the cluster. Everything of the stack `aws` is found by its name; no state is read.

locals {
  name = "${var.project}-${var.environment}"
}

data "aws_vpc" "this" {
  tags = { Name = local.name }
}

data "aws_db_instance" "this" {
  db_instance_identifier = local.name
}

data "aws_secretsmanager_secret" "services" {
  name = "${local.name}/services"
}

module "platform" {
  source        = "../../modules/platform"
  region        = var.region
  secret_name   = data.aws_secretsmanager_secret.services.name
  nats_accounts = var.nats_accounts == null ? jsondecode(file("${path.module}/nats-accounts.json")) : var.nats_accounts
  nats_storage  = var.nats_storage
  otlp_endpoint = var.otlp_endpoint
}

module "visapi" {
  source                     = "../../modules/visapi"
  region                     = var.region
  network_cidr               = data.aws_vpc.this.cidr_block
  image_registry             = var.image_registry
  image_tag                  = var.image_tag
  public_url                 = var.public_url
  certificate_arn            = var.certificate_arn
  secret_name                = data.aws_secretsmanager_secret.services.name
  secrets_revision           = var.secrets_revision
  optional_secrets           = var.optional_secrets
  database_host              = data.aws_db_instance.this.address
  database_master_secret_arn = data.aws_db_instance.this.master_user_secret[0].secret_arn
  database_ca                = var.database_ca
  bucket                     = var.bucket
  nats_monitoring            = module.platform.nats_monitoring
  otlp_endpoint              = module.platform.otlp_endpoint
  trace_sample               = var.trace_sample
  prometheus_address         = var.prometheus_address
  replicas                   = var.replicas
  extra_values               = var.extra_values
}
