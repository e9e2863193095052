"""Tenants: an operator of VisAPI makes, lists, suspends, resumes, exports and erases them."""
