"""Requests and answers as bytes, within bounds."""
