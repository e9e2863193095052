output "host" {
  description = "The host name of the database."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "The port of the database."
  value       = aws_db_instance.this.port
}

output "identifier" {
  description = "The instance's identifier."
  value       = aws_db_instance.this.identifier
}

output "master_secret_arn" {
  description = "The entry of Secrets Manager in which AWS keeps the master's name and password, and changes the password each week."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "security_group_id" {
  description = "The database's security group."
  value       = aws_security_group.this.id
}
