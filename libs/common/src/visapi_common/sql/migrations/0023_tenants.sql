-- Who made a tenant, and why it is suspended (`disabled_at`).
alter table tenants add column created_by text;
alter table tenants add column disabled_reason text;
