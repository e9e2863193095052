"""Endpoints: where VisAPI sends webhooks."""
