"""What a rendering is asked to be, and what Chromium is told; pure."""
