"""What hooks accepted and refused: read, and replayed."""
