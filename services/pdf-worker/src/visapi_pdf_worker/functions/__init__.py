"""One folder for each function; a function declares itself."""
