"""Dead letters and their replay."""
