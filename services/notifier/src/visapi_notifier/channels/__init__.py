"""One folder for each channel; a channel declares itself."""
