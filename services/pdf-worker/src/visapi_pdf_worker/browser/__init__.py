"""Chromium: launched, supervised, bounded, replaced."""
