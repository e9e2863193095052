"""Who asks, what a key may do, and how often."""
