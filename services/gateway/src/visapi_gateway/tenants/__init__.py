"""Tenants: made, listed, suspended and resumed by whoever operates VisAPI."""
