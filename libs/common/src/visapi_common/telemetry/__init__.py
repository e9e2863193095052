"""Traces, metrics and logs: the one place that spells their names."""
