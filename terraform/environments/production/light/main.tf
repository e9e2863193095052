# Production on Render and Supabase. Values only: what they make is in terraform/stacks/light.

terraform {
  required_version = ">= 1.10, < 2.0"
  required_providers {
    render = {
      source  = "render-oss/render"
      version = "~> 1.9"
    }
    supabase = {
      source  = "supabase/supabase"
      version = "~> 1.5"
    }
  }

  # A bucket of yours for the state, versioned and encrypted; it is made once, by hand.
  backend "s3" {
    bucket       = "example-visapi-state"
    key          = "production/light.tfstate"
    region       = "eu-central-1"
    encrypt      = true
    use_lockfile = true
  }
}

variable "database_password" {
  description = "The password of the database at first; TF_VAR_database_password."
  type        = string
  sensitive   = true
}

variable "storage_key_id" {
  description = "The access key of Supabase's storage; TF_VAR_storage_key_id."
  type        = string
  sensitive   = true
}

variable "storage_key" {
  description = "The secret of that key; TF_VAR_storage_key."
  type        = string
  sensitive   = true
}

variable "secrets_directory" {
  description = "The folder that `visapi admin secrets` filled; TF_VAR_secrets_directory."
  type        = string
}

# Credentials are RENDER_API_KEY, RENDER_OWNER_ID and SUPABASE_ACCESS_TOKEN.
provider "render" {
  wait_for_deploy_completion = true
}

provider "supabase" {}

module "stack" {
  source = "../../../stacks/light"

  environment     = "production"
  region          = "frankfurt"
  supabase_region = "eu-central-1"
  organization    = "example"
  instance_size   = "large"
  allowed_cidrs   = ["198.51.100.0/24"]

  image_registry = "ghcr.io/example"
  image_tag      = "0.1.0"
  public_url     = "https://visapi.example.com"
  mail_from      = "VisAPI <no-reply@example.com>"
  database_ca    = try(file("${path.root}/database-ca.pem"), "")
  plans = {
    gateway      = "standard"
    orchestrator = "pro"
    notifier     = "standard"
    pdf_worker   = "pro"
    nats         = "standard"
  }
  replicas = {
    gateway      = 2
    orchestrator = 2
    notifier     = 2
    pdf_worker   = 3
  }

  database_password = var.database_password
  storage_key_id    = var.storage_key_id
  storage_key       = var.storage_key
  secrets_directory = var.secrets_directory
}

output "stack" {
  description = "Where everything is."
  value       = module.stack
}
