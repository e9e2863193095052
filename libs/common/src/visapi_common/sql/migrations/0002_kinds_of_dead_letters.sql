-- A tenant's dead letters of one kind are listed without reading those of other kinds. A letter about a task has no kind.

create index dead_letters_of_kind on dead_letters (tenant, (case when kind is null then 'task' else kind end), id desc);
