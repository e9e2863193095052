"""Use cases of the gateway. They name what they need as Protocols; `main.py` passes it in."""
