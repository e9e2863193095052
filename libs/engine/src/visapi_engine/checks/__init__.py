"""Small checks of values, each with what was found and what is allowed."""
