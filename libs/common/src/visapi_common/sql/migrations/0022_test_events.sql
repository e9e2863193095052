-- Events that a test key posted or a test run emitted: they reach test runs only.
alter table events_in add column test boolean not null default false;
