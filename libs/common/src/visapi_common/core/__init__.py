"""Pure rules every service shares: no clock, randomness, environment, logging or I/O."""
