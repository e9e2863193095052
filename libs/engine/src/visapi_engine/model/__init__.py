"""The compiled form of a definition: the program that the machine runs."""
