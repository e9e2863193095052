"""The embedded stack: NATS, PostgreSQL and the four services as supervised processes of one machine."""
