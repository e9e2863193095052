"""Tenants in PostgreSQL, and what they own, in the artifact store too."""
