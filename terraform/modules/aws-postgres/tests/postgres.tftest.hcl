mock_provider "aws" {
  source          = "../../mocks/aws"
  override_during = plan
}

variables {
  name                      = "visapi-test"
  vpc_id                    = "vpc-0123456789abcdef0"
  subnet_ids                = ["subnet-1", "subnet-2", "subnet-3"]
  client_security_group_ids = { nodes = "sg-0123456789abcdef0" }
  kms_key_arn               = "arn:aws:kms:eu-central-1:111122223333:key/test"
}

run "what_is_planned_is_safe" {
  command = plan
  assert {
    condition     = aws_db_instance.this.storage_encrypted && aws_db_instance.this.kms_key_id == var.kms_key_arn && aws_db_instance.this.performance_insights_kms_key_id == var.kms_key_arn
    error_message = "something of the database is in the clear, or under another key"
  }
  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_db_instance.this.multi_az
    error_message = "the database is public, or stands in one zone"
  }
  assert {
    condition     = aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && aws_db_instance.this.backup_retention_period == 14 && !aws_db_instance.this.delete_automated_backups
    error_message = "the database can be deleted, or leaves nothing behind"
  }
  assert {
    condition     = aws_db_instance.this.manage_master_user_password && aws_db_instance.this.password == null && aws_db_instance.this.master_user_secret_kms_key_id == var.kms_key_arn
    error_message = "a password is in the state"
  }
  assert {
    condition     = output.master_secret_arn == "arn:aws:secretsmanager:eu-central-1:111122223333:secret:rds!db-mock"
    error_message = "the output names ${output.master_secret_arn}"
  }
  assert {
    condition     = contains([for each in aws_db_parameter_group.this.parameter : "${each.name}=${each.value}"], "rds.force_ssl=1") && aws_db_parameter_group.this.family == "postgres17"
    error_message = "connections in the clear are taken"
  }
  assert {
    condition     = contains([for each in aws_db_parameter_group.this.parameter : "${each.name}=${each.value}"], "synchronous_commit=on")
    error_message = "a commit may be lost"
  }
  assert {
    condition     = jsonencode([for each in aws_vpc_security_group_ingress_rule.nodes : [each.referenced_security_group_id, each.from_port, each.to_port, each.cidr_ipv4]]) == jsonencode([["sg-0123456789abcdef0", 5432, 5432, null]])
    error_message = "somebody beside the nodes may connect"
  }
}

run "a_database_without_protection_goes_without_a_snapshot" {
  command = plan
  variables {
    protected = false
  }
  assert {
    condition     = !aws_db_instance.this.deletion_protection && aws_db_instance.this.skip_final_snapshot
    error_message = "it cannot be destroyed"
  }
}

run "wrong_values_are_refused_by_name" {
  command = plan
  variables {
    backup_days    = 36
    storage_gb_max = 100
    engine_version = "14"
    subnet_ids     = ["subnet-1"]
  }
  expect_failures = [var.backup_days, var.storage_gb_max, var.engine_version, var.subnet_ids]
}
