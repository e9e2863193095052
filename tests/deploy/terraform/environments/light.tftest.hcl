# What an environment's values make, planned.
mock_provider "render" {
  override_during = plan
}

mock_provider "supabase" {
  override_during = plan
  mock_data "supabase_pooler" {
    defaults = { url = { transaction = "postgres://postgres.ref@pooler.example.com:6543/postgres" } }
  }
}

run "environment" {
  command = plan
  variables {
    database_password = "a-password-of-24-characters"
    storage_key_id    = "id"
    storage_key       = "key"
    secrets_directory = "../../../../secrets"
  }
}
