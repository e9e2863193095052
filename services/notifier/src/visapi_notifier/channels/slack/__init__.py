"""`notify.slack`."""
