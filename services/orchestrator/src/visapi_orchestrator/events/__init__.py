"""Events taken in, matched and published."""
