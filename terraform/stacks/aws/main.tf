# Everything of Amazon's that VisAPI stands on: network, keys, cluster, database, artifact store, the entry of its secrets, images.

locals {
  name = "${var.project}-${var.environment}"

  keys = {
    cluster   = { description = "Secrets of Kubernetes, logs", logs = true }
    database  = { description = "PostgreSQL: storage, snapshots, the master's password", logs = false }
    artifacts = { description = "Artifacts in S3", logs = false }
    secrets   = { description = "Secrets of the services", logs = false }
    images    = { description = "Images in ECR", logs = false }
  }
}

module "keys" {
  source        = "../../modules/aws-kms"
  for_each      = local.keys
  name          = "${local.name}-${each.key}"
  description   = "${local.name}: ${each.value.description}"
  logs          = each.value.logs
  deletion_days = var.protected ? 30 : 7
}

module "network" {
  source       = "../../modules/aws-network"
  name         = local.name
  region       = var.region
  zones        = var.zones
  cidr         = var.cidr
  nat_per_zone = var.nat_per_zone
  kms_key_arn  = module.keys["cluster"].arn
  log_days     = var.log_days
}

module "postgres" {
  source                    = "../../modules/aws-postgres"
  name                      = local.name
  vpc_id                    = module.network.vpc_id
  subnet_ids                = module.network.database_subnet_ids
  client_security_group_ids = { nodes = module.eks.security_group_id }
  kms_key_arn               = module.keys["database"].arn
  engine_version            = var.postgres.engine_version
  instance_class            = var.postgres.instance_class
  storage_gb                = var.postgres.storage_gb
  storage_gb_max            = var.postgres.storage_gb_max
  multi_az                  = var.postgres.multi_az
  backup_days               = var.postgres.backup_days
  protected                 = var.protected
}

module "artifacts" {
  source       = "../../modules/aws-artifacts"
  bucket       = var.bucket
  kms_key_arn  = module.keys["artifacts"].arn
  deleted_days = var.deleted_days
  protected    = var.protected
}

module "secrets" {
  source             = "../../modules/aws-secrets"
  name               = "${local.name}/services"
  kms_key_arn        = module.keys["secrets"].arn
  extra_secret_arns  = [module.postgres.master_secret_arn]
  extra_kms_key_arns = [module.keys["database"].arn]
  protected          = var.protected
}

module "images" {
  source      = "../../modules/aws-ecr"
  prefix      = "${local.name}/"
  kms_key_arn = module.keys["images"].arn
  images_kept = var.images_kept
  protected   = var.protected
}

module "eks" {
  source              = "../../modules/aws-eks"
  name                = local.name
  kubernetes_version  = var.kubernetes_version
  subnet_ids          = module.network.private_subnet_ids
  kms_key_arn         = module.keys["cluster"].arn
  public_access_cidrs = var.public_access_cidrs
  administrators      = var.administrators
  node_groups         = var.node_groups
  seccomp_profile     = file("${path.module}/../../../deploy/seccomp/pdf-worker.json")
  log_days            = var.log_days

  pod_identities = {
    artifacts = {
      namespace        = "visapi"
      service_accounts = ["visapi-gateway", "visapi-orchestrator", "visapi-pdf-worker", "visapi-notifier"]
      policy           = module.artifacts.access_policy
    }
    external-secrets = {
      namespace        = "external-secrets"
      service_accounts = ["external-secrets"]
      policy           = module.secrets.read_policy
    }
  }
}
