"""Carrying out a definition in virtual time, with given answers, touching nothing."""
