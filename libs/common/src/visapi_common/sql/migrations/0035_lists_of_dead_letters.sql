-- The dead letters of a tenant, newest first, the resolved ones included.

create index dead_letters_of_tenant on dead_letters (tenant, id desc);
