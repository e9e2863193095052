-- `visapi admin rotation` counts, as the owner, the open runs that depend on an earlier key.
create policy owner_counts on runs for select to current_user using (true);
