"""Webhooks out: what endpoints of tenants may want to know, and which of them is sent it."""
