"""The installation: health, capabilities and functions."""
