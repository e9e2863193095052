"""What every service process is made of: settings, lifecycle, health and metrics endpoints."""
