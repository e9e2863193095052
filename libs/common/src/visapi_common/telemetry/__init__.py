"""Traces, metrics and logs, and their names."""
