"""PostgreSQL, NATS and the artifact store, as the use cases want them."""
