"""Reading runs and their history, and following them."""
