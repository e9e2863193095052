"""The orchestrator: advances durable runs."""
