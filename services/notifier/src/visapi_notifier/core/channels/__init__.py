"""One file per channel: two pure functions, *build request* and *read response*; one adapter sends."""
