"""Delivery of one outbound effect under its key: claim, try, record, return the result."""
