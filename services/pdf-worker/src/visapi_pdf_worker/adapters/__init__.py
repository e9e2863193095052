"""Chromium, the template process, PDF files."""
