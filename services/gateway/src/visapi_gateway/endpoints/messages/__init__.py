"""What was sent to endpoints: read, tried and replayed."""
