"""The text of a definition, read within limits, with the position of every value."""
