"""The text of a definition: read within limits, with the place of every value."""
