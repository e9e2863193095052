"""Replays of many dead letters by filter: counted, started, followed, aborted."""
