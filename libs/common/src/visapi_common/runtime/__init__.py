"""The parts of every service process: settings, lifecycle, health and metrics endpoints."""
