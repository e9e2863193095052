"""The command line `visapi`."""
