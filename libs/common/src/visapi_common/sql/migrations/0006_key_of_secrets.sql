-- With which key a secret is sealed (core/keyrings.py). Null: from before. `visapi admin reseal` works as the owner.
alter table secrets add column sealed_with text;
create policy owner_reseals on secrets to current_user using (true);
