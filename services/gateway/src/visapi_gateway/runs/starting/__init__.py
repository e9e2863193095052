"""Start a run: find the definition, check the input, commit the run."""
