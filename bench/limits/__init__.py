"""What this machine can do at all, measured in the same minute as the product."""
