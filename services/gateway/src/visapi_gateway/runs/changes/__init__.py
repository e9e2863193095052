"""Following the changes of all runs of a tenant or of a workflow."""
