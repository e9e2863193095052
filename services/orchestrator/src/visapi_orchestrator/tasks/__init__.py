"""Tasks of workers: sending, holding, claims, heartbeats, sending again."""
