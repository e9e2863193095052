mock_provider "aws" {
  source          = "../../mocks/aws"
  override_during = plan
}

variables {
  name        = "visapi-test-database"
  description = "A test"
}

run "the_key_rotates_and_iam_decides_who_uses_it" {
  command = plan
  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "the key does not rotate, or is gone too soon"
  }
  assert {
    condition     = [for each in jsondecode(aws_kms_key.this.policy).Statement : each.Principal] == [{ AWS = "arn:aws:iam::111122223333:root" }]
    error_message = "somebody beside this account's policies may use the key"
  }
  assert {
    condition     = aws_kms_alias.this.name == "alias/visapi-test-database"
    error_message = "the alias is ${aws_kms_alias.this.name}"
  }
}

run "log_groups_of_this_account_alone_use_the_key" {
  command = plan
  variables {
    logs = true
  }
  assert {
    condition     = jsondecode(aws_kms_key.this.policy).Statement[1].Condition.ArnLike["kms:EncryptionContext:aws:logs:arn"] == "arn:aws:logs:eu-central-1:111122223333:*"
    error_message = "log groups of others may use the key"
  }
}

run "wrong_values_are_refused_by_name" {
  command = plan
  variables {
    deletion_days = 6
    name          = "Visapi"
    description   = ""
  }
  expect_failures = [var.deletion_days, var.name, var.description]
}
