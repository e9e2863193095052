output "repository_urls" {
  description = "Where to push each image, by the repository's name without its prefix."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "registry" {
  description = "The registry with the prefix: `global.imageRegistry` of the chart."
  value       = trimsuffix(aws_ecr_repository.this[var.repositories[0]].repository_url, "/${var.repositories[0]}")
}
