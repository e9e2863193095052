"""`notify.email`."""
