"""Following what happens to all runs of a tenant or of a workflow."""
