"""Messages and rows, taken fairly among tenants and carried through in batches."""
