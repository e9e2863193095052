"""Whose credentials a call uses: secrets, tokens, answers to challenges."""
