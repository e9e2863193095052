-- What grows is found by an index when its time is over, and lists by the filter that is used most.

-- `created_at` never changes, so that the end of a delivery stays an update in the page.
create index deliveries_age on deliveries (created_at);

-- Dead letters of runs go with their run; these belong to none.
create index dead_letters_without_run on dead_letters (created_at) where run is null;

-- The runs of a workflow, newest first.
create index runs_by_workflow on runs (tenant, namespace, name, id desc);
create index runs_done_by_workflow on runs_done (tenant, namespace, name, id desc);

-- Open runs by a state that few are in. (`pending` has an index that mentions the state already, so a change
-- of it is no update in the page anyhow.)
create index runs_suspended on runs (tenant, id desc) where status = 'suspended';
create index runs_pending on runs (tenant, id desc) where status = 'pending';
