# What an environment's values make, planned.
mock_provider "aws" {
  source          = "../../../mocks/aws"
  override_during = plan
}

mock_provider "helm" {
  override_during = plan
}

run "environment" {
  command = plan
}
