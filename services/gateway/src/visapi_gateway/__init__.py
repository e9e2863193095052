"""The HTTP gateway: accepts triggers, serves runs."""
