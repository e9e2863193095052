output "folder_url" {
  description = "The folder in Grafana."
  value       = grafana_folder.this.url
}

output "rules" {
  description = "How many alert rules each group has."
  value       = { for name, group in local.alerts : name => length(group) }
}
