"""Cancelling, suspending, resuming and retrying one run."""
