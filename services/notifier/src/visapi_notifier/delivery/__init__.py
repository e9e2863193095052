"""One outbound effect under its key: claimed, tried, recorded, answered."""
