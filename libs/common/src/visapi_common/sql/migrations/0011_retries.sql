-- Of a faulted run: its state with the point at which it can be taken up again (`machine.resumption`).
alter table runs_done add column resume bytea;
