# An entry of Secrets Manager for what `visapi admin secrets` makes. Terraform makes the entry and never sees its value: that is
# put by hand (docs/how-to/install-on-aws.md), so that no secret stands in a state.

resource "aws_secretsmanager_secret" "this" {
  name                    = var.name
  description             = "Secrets of VisAPI, one JSON object; each key is a file of `visapi admin secrets`"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.protected ? 30 : 0
}

resource "aws_secretsmanager_secret_policy" "this" {
  secret_arn          = aws_secretsmanager_secret.this.arn
  block_public_policy = true
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "secretsmanager:*"
      Resource  = "*"
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
