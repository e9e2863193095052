"""Starting a run: the definition, the input, the promise."""
