output "folder_url" {
  description = "The folder in Grafana."
  value       = module.grafana.folder_url
}

output "rules" {
  description = "How many alert rules each group has."
  value       = module.grafana.rules
}
