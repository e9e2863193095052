-- Each transition of a run writes its state anew, and memory saves most reads of it. Of the CPU time that PostgreSQL
-- takes for a transition with a state of 50 KB (3.3 ms), compressing it is half. What is larger than 64 KiB in a
-- state lies in the artifact store.
alter table runs alter column state set storage external;
