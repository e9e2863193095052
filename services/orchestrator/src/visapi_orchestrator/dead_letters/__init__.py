"""What was set aside, and how it is put back."""
