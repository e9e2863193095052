"""Runs for a key that is limited to workflows, read from the index of each workflow.

A policy of the ledger hides the runs of other workflows once they are read. Without more, a page for a key of
a workflow with few runs would read every run of the tenant.
"""

from collections.abc import Collection, Sequence

from visapi_gateway.runs.reading.conditions import RunConditions
from visapi_gateway.runs.reading.rules.filters import RunFilter

Workflow = tuple[str, str]
"""Namespace and name."""


def workflows_of(wanted: RunFilter, limited_to: Collection[str] | None) -> list[Workflow] | None:
    """The workflows to which the filter and the key together limit what is looked for; one named `*` is
    a whole namespace. None for a key without limits, for a filter that names a workflow, and for a namespace
    beside others: then all runs are read, newest first.
    """
    if limited_to is None or wanted.name is not None:
        return None
    entries = {(entry.partition("/")[0], entry.partition("/")[2]) for entry in limited_to}
    if wanted.namespace is not None:
        entries = {entry for entry in entries if entry[0] == wanted.namespace}
    whole = {namespace for namespace, name in entries if name == "*"}
    entries = {entry for entry in entries if entry[1] == "*" or entry[0] not in whole}
    return None if whole and len(entries) > 1 else sorted(entries)


def conditions_for(
    tenant: str, limit: int, wanted: RunFilter, workflows: Sequence[Workflow] | None
) -> tuple[RunConditions, bool]:
    """The conditions of a statement for the runs of these workflows, and whether it is one with `among`. One
    workflow is a condition as if the filter named it. Parents, schedules, attributes and texts are found in
    indexes of their own.
    """
    if workflows is not None and len(workflows) == 1:
        conditions = RunConditions(tenant, limit)
        [(namespace, name)] = workflows
        conditions.add("namespace", namespace)
        if name != "*":
            conditions.add("name", name)
        return conditions, False
    elsewhere = wanted.parent or wanted.schedule or wanted.attributes or wanted.text is not None
    if workflows is None or elsewhere:
        return RunConditions(tenant, limit), False
    namespaces, names = [one[0] for one in workflows], [one[1] for one in workflows]
    return RunConditions(tenant, limit, namespaces, names), True
