-- A key may be limited to some workflows: its transactions name them, and see no row of others.
create policy limited_keys on runs as restrictive for select to visapi_gateway using (
    coalesce(current_setting('visapi.workflows', true), '') = ''
    or namespace || '/' || name = any (string_to_array(current_setting('visapi.workflows', true), ','))
    or namespace || '/*' = any (string_to_array(current_setting('visapi.workflows', true), ','))
);
