"""What an operation is, and what every operation goes through."""
