mock_provider "aws" {
  source          = "../../mocks/aws"
  override_during = plan
}

variables {
  prefix      = "visapi-staging/"
  kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/test"
}

run "tags_never_move_and_images_are_scanned" {
  command = plan
  assert {
    condition     = alltrue([for each in aws_ecr_repository.this : each.image_tag_mutability == "IMMUTABLE" && each.image_scanning_configuration[0].scan_on_push && each.encryption_configuration[0].kms_key == var.kms_key_arn && !each.force_delete])
    error_message = "a repository lets tags move, does not scan, or is under another key"
  }
  assert {
    condition     = join(" ", sort([for each in aws_ecr_repository.this : each.name])) == join(" ", ["visapi-staging/visapi/admin", "visapi-staging/visapi/gateway", "visapi-staging/visapi/notifier", "visapi-staging/visapi/orchestrator", "visapi-staging/visapi/pdf-worker"])
    error_message = "the repositories are not those of make images"
  }
  assert {
    condition     = output.registry == "111122223333.dkr.ecr.eu-central-1.amazonaws.com/visapi-staging"
    error_message = "the registry is ${output.registry}"
  }
}

run "wrong_values_are_refused_by_name" {
  command = plan
  variables {
    prefix       = "staging"
    images_kept  = 1
    repositories = []
  }
  expect_failures = [var.prefix, var.images_kept, var.repositories]
}
