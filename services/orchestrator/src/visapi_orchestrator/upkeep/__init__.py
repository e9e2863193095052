"""Maintenance: old rows, partitions, families."""
