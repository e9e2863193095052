"""Making and changing endpoints."""
