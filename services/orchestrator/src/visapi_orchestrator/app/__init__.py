"""The delivery protocol at work: what is taken, in which order it is committed, published, acked."""
