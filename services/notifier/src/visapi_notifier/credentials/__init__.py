"""Credentials of calls: secrets, tokens, answers to challenges."""
