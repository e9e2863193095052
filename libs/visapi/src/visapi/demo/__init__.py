"""`visapi demo`: the sample workflow, from its trigger to what arrived in the world."""
