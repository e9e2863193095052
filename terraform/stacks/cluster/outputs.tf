output "values" {
  description = "The values that the chart of VisAPI was given."
  value       = module.visapi.values
}

output "nats_address" {
  description = "NATS, inside the cluster: `nats://USER:PASSWORD@` before it makes the URLs of the services."
  value       = module.platform.nats_address
}

output "key_job" {
  description = "The command that makes the first API key."
  value       = module.visapi.key_job
}
