"""The rules of webhooks out."""
