"""Requests and responses as bytes, within limits."""
