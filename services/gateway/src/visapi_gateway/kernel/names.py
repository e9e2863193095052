"""Names that several slices use."""

WorkflowName = tuple[str, str, str]
"""Tenant, namespace, name."""
