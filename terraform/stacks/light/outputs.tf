output "gateway_url" {
  description = "Where Render serves the gateway; the custom domain points there."
  value       = module.render.gateway_url
}

output "project_ref" {
  description = "The project of Supabase."
  value       = module.supabase.project_ref
}

output "database_host" {
  description = "The host of PostgreSQL."
  value       = module.supabase.database_host
}
