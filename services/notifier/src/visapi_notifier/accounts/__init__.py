"""Accounts of tenants at providers: read, cached for some seconds, opened."""
