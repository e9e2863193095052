mock_provider "supabase" {
  override_during = plan
  mock_resource "supabase_project" {
    defaults = { id = "abcdefghijklmnopqrst" }
  }
}

variables {
  name              = "visapi-test"
  organization      = "example"
  region            = "eu-central-1"
  database_password = "a-password-of-24-characters"
  allowed_cidrs     = ["198.51.100.0/24"]
}

run "what_is_planned_is_safe" {
  command = plan
  assert {
    condition     = supabase_settings.this.ssl_enforcement && jsondecode(supabase_settings.this.network).restrictions == ["198.51.100.0/24"]
    error_message = "the database takes connections without TLS, or from everywhere"
  }
  assert {
    condition     = output.storage_endpoint == "https://abcdefghijklmnopqrst.supabase.co/storage/v1/s3"
    error_message = "the storage is at ${output.storage_endpoint}"
  }
}

run "wrong_values_are_refused_by_name" {
  command = plan
  variables {
    name              = "VisAPI"
    organization      = "an example"
    region            = "frankfurt"
    instance_size     = "huge"
    database_password = "short"
    allowed_cidrs     = ["0.0.0.0/0"]
  }
  expect_failures = [var.name, var.organization, var.region, var.instance_size, var.database_password, var.allowed_cidrs]
}
