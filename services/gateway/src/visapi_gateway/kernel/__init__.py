"""The parts under every slice: the server, the operations, and access control."""
