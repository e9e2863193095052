"""What webhooks out keep in PostgreSQL."""
