-- Runs that a key of kind `test` started, and their descendants: their effects outside are not carried out.
alter table runs add column test boolean not null default false;
