"""`notify.webhook`."""
