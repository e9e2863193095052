# Staging, what stands in AWS. Values only: what they make is in terraform/stacks/aws.

terraform {
  required_version = ">= 1.10, < 2.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # A bucket of yours for the state, versioned and encrypted; it is made once, by hand.
  backend "s3" {
    bucket       = "example-visapi-state"
    key          = "staging/aws.tfstate"
    region       = "eu-central-1"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region              = "eu-central-1"
  allowed_account_ids = ["111122223333"]
  default_tags {
    tags = { project = "visapi", environment = "staging", managed-by = "terraform" }
  }
}

module "stack" {
  source = "../../../stacks/aws"

  environment  = "staging"
  region       = "eu-central-1"
  zones        = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  cidr         = "10.40.0.0/16"
  nat_per_zone = false

  kubernetes_version  = "1.33"
  public_access_cidrs = ["198.51.100.0/24"]
  administrators      = ["arn:aws:iam::111122223333:role/platform"]
  node_groups = {
    general = { instance_types = ["m7i-flex.large"], nodes_min = 3, nodes_max = 6 }
  }

  postgres = {
    instance_class = "db.t4g.medium"
    storage_gb     = 50
    storage_gb_max = 200
    multi_az       = false
    backup_days    = 7
  }

  bucket       = "example-visapi-staging-artifacts"
  deleted_days = 7
  log_days     = 365
  protected    = true
}

output "stack" {
  description = "Where everything is; docs/how-to/install-on-aws.md uses it."
  value       = module.stack
}
