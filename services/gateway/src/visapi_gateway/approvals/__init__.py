"""Approvals: questions to people, and their decisions."""
