"""Measurements of the product beside the machine's own limits: `make bench`."""
