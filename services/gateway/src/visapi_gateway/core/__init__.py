"""Decisions without I/O: JSON limits, cursors, rates, scopes, signatures, problem codes."""
