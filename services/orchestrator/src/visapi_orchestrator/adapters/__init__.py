"""The ledger's SQL, and everything else that talks to the world."""
