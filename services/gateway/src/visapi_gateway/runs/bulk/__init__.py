"""One command for the many runs that a filter finds."""
