"""What grows old, what was set aside, what must exist ahead of time."""
