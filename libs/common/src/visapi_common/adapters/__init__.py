"""The only places that name asyncpg, nats, obstore or httpx."""
