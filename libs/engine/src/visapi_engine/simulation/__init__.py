"""Carries out a definition in virtual time, with given answers and without effects."""
