"""Hooks: webhooks that providers send, verified, stored, and passed on as events."""
