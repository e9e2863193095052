"""Tasks of workers: sent, held back, claimed, sent again."""
