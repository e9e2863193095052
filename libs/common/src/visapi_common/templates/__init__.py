"""The template sandbox of both workers."""
