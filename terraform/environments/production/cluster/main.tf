# Production, what runs in the cluster. Values only: what they make is in terraform/stacks/cluster.

terraform {
  required_version = ">= 1.10, < 2.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
    helm = {
      source  = "hashicorp/helm"
      version = "~> 3.0"
    }
  }

  # A bucket of yours for the state, versioned and encrypted; it is made once, by hand.
  backend "s3" {
    bucket       = "example-visapi-state"
    key          = "production/cluster.tfstate"
    region       = "eu-central-1"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region              = "eu-central-1"
  allowed_account_ids = ["111122223333"]
}

data "aws_eks_cluster" "this" {
  name = "visapi-production"
}

# A token is fetched for each run and stands in no state.
provider "helm" {
  kubernetes = {
    host                   = data.aws_eks_cluster.this.endpoint
    cluster_ca_certificate = base64decode(data.aws_eks_cluster.this.certificate_authority[0].data)
    exec = {
      api_version = "client.authentication.k8s.io/v1beta1"
      command     = "aws"
      args        = ["eks", "get-token", "--region", "eu-central-1", "--cluster-name", data.aws_eks_cluster.this.name]
    }
  }
}

module "stack" {
  source = "../../../stacks/cluster"

  environment     = "production"
  region          = "eu-central-1"
  image_registry  = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/visapi-production"
  image_tag       = "0.1.0"
  public_url      = "https://visapi.example.com"
  certificate_arn = "arn:aws:acm:eu-central-1:111122223333:certificate/00000000-0000-0000-0000-000000000000"
  bucket          = "example-visapi-production-artifacts"
  database_ca     = try(file("${path.root}/database-ca.pem"), "")

  optional_secrets   = ["smtp-url"]
  secrets_revision   = "1"
  nats_storage       = "50Gi"
  trace_sample       = 0.1
  otlp_endpoint      = ""
  prometheus_address = ""
  replicas = {
    gateway_min      = 3
    gateway_max      = 12
    orchestrator_max = 4
    pdf_worker_min   = 2
    pdf_worker_max   = 20
    notifier_min     = 2
    notifier_max     = 10
  }
}

output "stack" {
  description = "What the cluster was given."
  value       = module.stack
}
