"""The notifier's pure rules: no clock, randomness, environment, logging or I/O."""
