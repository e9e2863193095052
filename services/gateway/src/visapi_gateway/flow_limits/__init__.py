"""Flow control: the runs that hold a slot, and the runs that wait for one."""
