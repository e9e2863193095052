# The light path: services and NATS on Render, PostgreSQL and the bucket at Supabase.

locals {
  name    = "${var.project}-${var.environment}"
  secrets = { for file in fileset(var.secrets_directory, "*") : file => trimspace(file("${var.secrets_directory}/${file}")) }
}

module "supabase" {
  source            = "../../modules/supabase"
  name              = local.name
  organization      = var.organization
  region            = var.supabase_region
  instance_size     = var.instance_size
  database_password = var.database_password
  allowed_cidrs     = var.allowed_cidrs
}

module "render" {
  source                 = "../../modules/render-stack"
  name                   = local.name
  region                 = var.region
  image_registry         = var.image_registry
  image_tag              = var.image_tag
  registry_credential_id = var.registry_credential_id
  public_url             = var.public_url
  mail_from              = var.mail_from
  chromium_sandbox       = var.chromium_sandbox
  plans                  = var.plans
  replicas               = var.replicas
  database_host          = module.supabase.database_host
  database_role_suffix   = ".${module.supabase.project_ref}"
  database_ca            = var.database_ca
  storage                = { bucket = var.bucket, endpoint = module.supabase.storage_endpoint, region = var.supabase_region }
  storage_key_id         = var.storage_key_id
  storage_key            = var.storage_key
  secrets                = local.secrets
  optional_secrets       = var.optional_secrets
  nats_users             = local.secrets["visapi-users.conf"]
}
