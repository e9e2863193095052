"""The audit log: who did what, in a hash chain that shows every change."""
