"""The workflow engine: definitions, the pure state machine, expressions, and the processes that run them."""
