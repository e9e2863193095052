-- A key may be limited to some workflows: its transactions name them, and see no row of others. In this form the planner
-- expects that the policy hides no row, which holds for the transactions of all other keys.
create policy limited_keys on runs_done as restrictive for select to visapi_gateway using (case when
    coalesce(current_setting('visapi.workflows', true), '') = ''
    or namespace || '/' || name = any (string_to_array(current_setting('visapi.workflows', true), ','))
    or namespace || '/*' = any (string_to_array(current_setting('visapi.workflows', true), ','))
then true end is not null);
