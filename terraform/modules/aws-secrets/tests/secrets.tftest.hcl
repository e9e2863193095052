mock_provider "aws" {
  source          = "../../mocks/aws"
  override_during = plan
}

variables {
  name               = "visapi-test/services"
  kms_key_arn        = "arn:aws:kms:eu-central-1:111122223333:key/test"
  extra_secret_arns  = ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:rds!db-1"]
  extra_kms_key_arns = ["arn:aws:kms:eu-central-1:111122223333:key/database"]
}

run "what_is_planned_is_safe" {
  command = plan
  assert {
    condition     = aws_secretsmanager_secret.this.kms_key_id == var.kms_key_arn && aws_secretsmanager_secret.this.recovery_window_in_days == 30
    error_message = "the entry is under another key, or gone at once"
  }
  assert {
    condition     = aws_secretsmanager_secret_policy.this.block_public_policy && jsondecode(aws_secretsmanager_secret_policy.this.policy).Statement[0].Effect == "Deny"
    error_message = "the entry can be opened to others"
  }
  assert {
    condition     = flatten([for each in jsondecode(output.read_policy).Statement : each.Resource]) == ["arn:aws:secretsmanager:eu-central-1:111122223333:secret:mock", var.extra_secret_arns[0], var.kms_key_arn, var.extra_kms_key_arns[0]]
    error_message = "the policy is ${output.read_policy}"
  }
}

run "wrong_values_are_refused_by_name" {
  command = plan
  variables {
    name = "visapi services"
  }
  expect_failures = [var.name]
}
