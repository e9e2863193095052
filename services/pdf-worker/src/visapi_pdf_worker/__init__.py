"""The PDF worker: renders documents with Chromium."""
