terraform {
  required_version = ">= 1.10, < 2.0"
  required_providers {
    render = {
      source  = "render-oss/render"
      version = "~> 1.9"
    }
    supabase = {
      source  = "supabase/supabase"
      version = "~> 1.5"
    }
  }
}
