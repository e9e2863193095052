# A project of Supabase: PostgreSQL, and a bucket behind its S3 address. VisAPI uses nothing else of it.

resource "supabase_project" "this" {
  organization_id   = var.organization
  name              = var.name
  region            = var.region
  instance_size     = var.instance_size
  database_password = var.database_password

  lifecycle {
    # The password stands in the state: change it in Supabase after the first apply, and the state holds a dead one.
    ignore_changes  = [database_password]
    prevent_destroy = true
  }
}

resource "supabase_settings" "this" {
  project_ref     = supabase_project.this.id
  ssl_enforcement = true
  network         = jsonencode({ restrictions = var.allowed_cidrs })
  # Nothing of VisAPI's is served by Supabase's API: its tables stay in schemas that the API does not show.
  api = jsonencode({ db_schema = "", db_extra_search_path = "", max_rows = 1 })
}

data "supabase_pooler" "this" {
  project_ref = supabase_project.this.id
}
