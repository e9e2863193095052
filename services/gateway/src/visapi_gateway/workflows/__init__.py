"""Deploying, reading and simulating definitions."""
