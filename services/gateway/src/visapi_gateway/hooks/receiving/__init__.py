"""The door: requests of providers become events."""
