"""Changes of runs, and positions among them. Pure."""
