mock_provider "aws" {
  source          = "../../mocks/aws"
  override_during = plan
}

variables {
  bucket      = "visapi-test-artifacts"
  kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/test"
}

run "what_is_planned_is_safe" {
  command = plan
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls, aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls, aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "the bucket can be made public"
  }
  assert {
    condition     = aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "objects may have access lists"
  }
  assert {
    condition     = [for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule : [rule.apply_server_side_encryption_by_default[0].sse_algorithm, rule.apply_server_side_encryption_by_default[0].kms_master_key_id]] == [["aws:kms", var.kms_key_arn]]
    error_message = "objects are not encrypted with the key"
  }
  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled" && !aws_s3_bucket.this.force_destroy
    error_message = "objects can be lost"
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this.rule[0].noncurrent_version_expiration[0].noncurrent_days == 30
    error_message = "deleted objects are kept for ever, or not at all"
  }
  assert {
    condition = contains([for each in jsondecode(aws_s3_bucket_policy.this.policy).Statement :
    [each.Effect, each.Principal, each.Action, each.Condition]], ["Deny", "*", "s3:*", { Bool = { "aws:SecureTransport" = "false" } }])
    error_message = "the bucket takes requests without TLS"
  }
  assert {
    condition     = jsonencode(distinct(flatten([for each in jsondecode(output.access_policy).Statement : each.Resource]))) == jsonencode(["arn:aws:s3:::mock/*", "arn:aws:s3:::mock", var.kms_key_arn])
    error_message = "the policy reaches ${output.access_policy}"
  }
}

run "wrong_values_are_refused_by_name" {
  command = plan
  variables {
    bucket       = "visapi.artifacts"
    deleted_days = 0
  }
  expect_failures = [var.bucket, var.deleted_days]
}
