"""The notifier's use cases: deliver an effect at most once per key, and the functions built on that."""
