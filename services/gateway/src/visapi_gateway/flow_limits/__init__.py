"""Who is under way under flow control, and who waits."""
