"""What every VisAPI service shares: wire contracts, pure core rules, adapters, telemetry, the worker kit."""
