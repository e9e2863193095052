"""Small checks of values; each reports the value found and the values allowed."""
