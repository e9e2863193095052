"""What every room of the orchestrator uses: ports, receipts, the clock, shared rules."""
