-- Under which pepper a key is hashed (core/keyrings.py), so that a pepper can be rotated. Null: from before.
alter table api_keys add column pepper text;
