"""What waits, taken in turns among tenants and carried through together."""
