mock_provider "aws" {
  source          = "../../mocks/aws"
  override_during = plan
}

variables {
  environment         = "staging"
  region              = "eu-central-1"
  zones               = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  cidr                = "10.40.0.0/16"
  nat_per_zone        = false
  kubernetes_version  = "1.33"
  public_access_cidrs = []
  administrators      = ["arn:aws:iam::111122223333:role/platform"]
  node_groups         = { general = { instance_types = ["m7i.large"], nodes_min = 3, nodes_max = 6 } }
  postgres            = { instance_class = "db.t4g.medium", storage_gb = 50, storage_gb_max = 200, multi_az = false, backup_days = 7 }
  bucket              = "visapi-staging-artifacts"
  deleted_days        = 30
  log_days            = 90
}

run "the_parts_find_each_other" {
  command = plan
  assert {
    condition     = output.name == "visapi-staging" && output.secret_name == "visapi-staging/services"
    error_message = "names are ${output.name} and ${output.secret_name}"
  }
  assert {
    condition     = output.database_master_secret_arn == "arn:aws:secretsmanager:eu-central-1:111122223333:secret:rds!db-mock" && output.database_host == "visapi.mock.eu-central-1.rds.amazonaws.com"
    error_message = "the database's outputs are ${output.database_host} and ${output.database_master_secret_arn}"
  }
  assert {
    condition     = join(" ", keys(module.eks.pod_role_arns)) == "artifacts external-secrets"
    error_message = "roles of pods are ${jsonencode(keys(module.eks.pod_role_arns))}"
  }
}

run "wrong_values_are_refused_by_name" {
  command = plan
  variables {
    node_groups = { general = { instance_types = ["m7i.large"], nodes_min = 2, nodes_max = 6 } }
    zones       = ["eu-west-1a", "eu-west-1b"]
    environment = "pre-production"
  }
  expect_failures = [var.node_groups, var.zones, var.environment]
}
