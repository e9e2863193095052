"""The delivery protocol: load, advance, write, publish, acknowledge."""
