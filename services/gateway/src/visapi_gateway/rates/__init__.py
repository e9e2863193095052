"""Rates of requests and quotas of runs: of a tenant, of a key, and of keys under a name."""
