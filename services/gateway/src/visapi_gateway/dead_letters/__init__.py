"""What was set aside, and what is done about it."""
