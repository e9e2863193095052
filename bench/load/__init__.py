"""Load from outside, at a rate that does not depend on the answers, and the account of what became of it."""
