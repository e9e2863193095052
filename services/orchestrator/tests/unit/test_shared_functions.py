"""The functions that serve all tenants are told in SQL as everywhere else: by their families."""

import re

from visapi_common.adapters.queries import load_queries
from visapi_common.contracts.subjects import BUILTIN_FAMILIES

SQL = load_queries("visapi_orchestrator.tasks.store", "tasks.sql")


def test_the_ledger_counts_the_tasks_of_every_family_of_the_built_in_workers() -> None:
    listed = re.search(r"split_part\(function, '\.', 1\) in \((.*?)\)", SQL["sent_tenants"])
    assert listed
    assert tuple(re.findall(r"'(\w+)'", listed[1])) == BUILTIN_FAMILIES
