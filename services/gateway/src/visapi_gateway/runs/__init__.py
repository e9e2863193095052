"""Runs: starting, reading, following and commanding them."""
