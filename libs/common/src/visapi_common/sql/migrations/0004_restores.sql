-- Restores of the database to a point in the past. What runs did between that point and the restore is not known:
-- effects of class once of runs that began before `before` are held until somebody decides.
create table restores (
    at timestamptz not null default now() primary key,
    before uuid not null
);
