"""Idempotency keys of requests."""
