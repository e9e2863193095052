-- `runs_overdue_by_tenant` finds few pending runs, and `runs_by_tenant` many: an index more costs each run that is
-- accepted, and helps none.
drop index runs_pending;
