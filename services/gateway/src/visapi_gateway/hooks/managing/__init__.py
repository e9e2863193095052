"""Making and changing hooks."""
