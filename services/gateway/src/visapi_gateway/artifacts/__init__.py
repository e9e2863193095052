"""Artifacts: files that runs produced."""
