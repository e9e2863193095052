"""Turns the input of a task into a request."""
