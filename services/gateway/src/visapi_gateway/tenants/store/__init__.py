"""Tenants in PostgreSQL, and the rows and artifacts that an export of a tenant reads."""
