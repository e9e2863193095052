-- Families of runs are bounded, and the cancellation of a root is one fact.
--
-- `root` is the run from which a run descends, by `run: workflow`, by the parts of a map, or through an event
-- that a schedule listens for; null for a run that no other run caused. `depth` counts the runs in between.

alter table runs add column root uuid, add column depth smallint not null default 0;
alter table runs_done add column root uuid, add column depth smallint not null default 0;

-- Descendants alone stand in it; neither column ever changes.
create index runs_by_root on runs (root) where root is not null;

-- Runs that are under way. What the listener of a schedule has started begins a family of its own.
with recursive tree as (
    select r.id, r.id as root, 0 as depth, r.quiet
    from runs r
    where not exists (select from runs p where p.id = r.parent and not p.quiet)
    union all
    select c.id, t.root, t.depth + 1, c.quiet
    from tree t join runs c on c.parent = t.id
    where not t.quiet
)
update runs r set root = t.root, depth = least(t.depth, 32767)
from tree t
where r.id = t.id and t.depth > 0;

-- A root that has descendants. The transaction that starts one locks the row and reads it; the transaction
-- that cancels the root writes it. So each sees the other: either the descendant is not started, or it is
-- there for the sweep that cancels what is open.
create table families (
    root uuid primary key,
    tenant text not null,
    -- When a descendant was started last, or the root was cancelled.
    touched_at timestamptz not null default now(),
    cancelled_at timestamptz,
    -- When no descendant was open any more.
    settled_at timestamptz
);
insert into families (root, tenant) select distinct root, tenant from runs where root is not null;
create index families_to_cancel on families (cancelled_at) where cancelled_at is not null and settled_at is null;

-- How many runs of a tenant are open, counted now and then, and how many may be.
create table open_runs (
    tenant text primary key,
    open bigint not null,
    open_max bigint not null,
    counted_at timestamptz not null default now()
);
