"""The constructs of the language, one file each: `compile` turns a task's body into its node.

A new construct is a new file here, a node in `program.py`, and a line in `registry.py`.
"""
