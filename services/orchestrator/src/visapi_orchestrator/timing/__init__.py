"""Timers, schedules and flow control, by the database's clock."""
