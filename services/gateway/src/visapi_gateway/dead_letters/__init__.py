"""Dead letters: reading, resolving and replaying them."""
