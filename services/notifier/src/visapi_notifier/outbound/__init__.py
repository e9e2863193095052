"""Rules that every channel shares: masking of secrets, readings of responses, headers."""
