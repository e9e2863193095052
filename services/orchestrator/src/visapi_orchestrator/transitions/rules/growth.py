"""How long the history of one run may become. Pure.

A run that jumps back for ever (`then`), or loops without end, would write rows for as long as it lives.
Beyond the bound it faults, and no `try` catches the error, because a handler would write more history.
"""

from visapi_common.contracts.problems import WorkflowError, standard_error
from visapi_orchestrator.transitions.rules.snapshot import RunSnapshot

_WARN_AT = 0.8


def overgrown(snapshot: RunSnapshot, most: int) -> WorkflowError | None:
    """The error that ends a run whose history is full. The last transition below the bound may pass it."""
    if snapshot.seq < most:
        return None
    return standard_error(
        "runtime",
        400,
        title="History too long",
        detail=(
            f"the run has {snapshot.seq:,} history items, and no run may have more than {most:,}; split the "
            "work into runs of their own (run: workflow, flow.map), or raise VISAPI_HISTORY_ITEMS_MAX"
        ),
    )


def grows_long(before: int, after: int, most: int) -> bool:
    """Whether these items of a transition bring the run near the bound."""
    return before < most * _WARN_AT <= after
