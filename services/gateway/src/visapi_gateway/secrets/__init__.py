"""Secrets of workflows."""
