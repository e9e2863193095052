output "name" {
  description = "What the cluster, the database and the entries of Secrets Manager are called; the stack `cluster` finds them by it."
  value       = local.name
}

output "cluster_name" {
  description = "The cluster of EKS: `aws eks update-kubeconfig --name …`."
  value       = module.eks.name
}

output "database_host" {
  description = "The host of PostgreSQL, for the URLs of the services."
  value       = module.postgres.host
}

output "database_master_secret_arn" {
  description = "The entry of Secrets Manager with the database master's password."
  value       = module.postgres.master_secret_arn
}

output "secret_name" {
  description = "The entry of Secrets Manager that takes the secrets of the services."
  value       = module.secrets.name
}

output "bucket" {
  description = "The bucket of the artifacts."
  value       = module.artifacts.bucket
}

output "registry" {
  description = "Where images are pushed: `VISAPI_REGISTRY`, and the stack `cluster`'s `image_registry`."
  value       = module.images.registry
}

output "nat_addresses" {
  description = "The addresses that partners see."
  value       = module.network.nat_addresses
}
