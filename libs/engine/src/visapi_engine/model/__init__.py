"""What a definition becomes: the program that the machine runs."""
