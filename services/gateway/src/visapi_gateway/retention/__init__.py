"""How long ended runs are kept."""
