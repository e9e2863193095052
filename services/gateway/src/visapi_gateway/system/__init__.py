"""What the installation is and whether it works."""
