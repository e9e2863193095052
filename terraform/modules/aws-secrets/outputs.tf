output "arn" {
  description = "The entry's ARN."
  value       = aws_secretsmanager_secret.this.arn
}

output "name" {
  description = "The entry's name."
  value       = aws_secretsmanager_secret.this.name
}

output "read_policy" {
  description = "A policy that lets a role read the entries; for the External Secrets Operator."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Entries"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = concat([aws_secretsmanager_secret.this.arn], var.extra_secret_arns)
      },
      {
        Sid      = "Keys"
        Effect   = "Allow"
        Action   = ["kms:Decrypt"]
        Resource = distinct(concat([var.kms_key_arn], var.extra_kms_key_arns))
      },
    ]
  })
}
