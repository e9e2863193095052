output "project_ref" {
  description = "The project's identifier; roles connect through the pooler as `role.identifier`."
  value       = supabase_project.this.id
}

output "database_host" {
  description = "The pooler's host, reached by IPv4. On port 5432 it gives each client a connection of its own (session mode), as VisAPI needs; on 6543 it does not."
  value       = regex("@([^:/@]+)", values(data.supabase_pooler.this.url)[0])[0]
}

output "storage_endpoint" {
  description = "The S3 address of the project's storage."
  value       = "https://${supabase_project.this.id}.supabase.co/storage/v1/s3"
}
