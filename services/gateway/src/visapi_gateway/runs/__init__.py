"""Runs: started, read, followed and told what to do."""
