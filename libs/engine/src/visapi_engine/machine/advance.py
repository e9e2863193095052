"""The state machine: `advance(plan, state, event, evaluate)` gives the next state, commands and history.

Pure. Time and ids arrive in the event; jitter is a hash; expressions are evaluated by the function
passed in. The same inputs give the same bytes, so a recorded run can be replayed.

Late, repeated and stale events are ordinary: they give the same state and a reason (`noted`).
A result counts for the open attempt under its path, a timer only when it is due. A suspended run
records events in order and acts on them when it is resumed; it issues no new work meanwhile.

A run's first event is `Started` (or `EngineFailed`); anything else without a state is a bug of the
caller and asserts.
"""

import copy
from functools import partial

from visapi_common.contracts.runs import ENDED, RunStatus
from visapi_engine.expressions.evaluate import Evaluator
from visapi_engine.machine import attributes
from visapi_engine.machine.abandon import abandon
from visapi_engine.machine.collections import Collections
from visapi_engine.machine.draft import Draft
from visapi_engine.machine.events import EngineFailed, Event, RetryRequested, Started
from visapi_engine.machine.faults import read_error
from visapi_engine.machine.lineage import Kinship
from visapi_engine.machine.opening import retry, start
from visapi_engine.machine.plan import ROOT, Plan
from visapi_engine.machine.reactions import react
from visapi_engine.machine.result import Advance
from visapi_engine.machine.resumption import restored
from visapi_engine.machine.state import State


def advance(  # noqa: PLR0913 (the last three are given by the ledger alone, by name)
    plan: Plan,
    state: State | None,
    event: Event,
    evaluate: Evaluator,
    *,
    handle_key: bytes = b"",
    kinship: Kinship | None = None,
    collections: Collections | None = None,
) -> Advance:
    """Apply one event to a run. Never changes `state`; never raises for what an event may say.

    `handle_key` signs the handles of secrets (`visapi_common.core.secret_handles`). Without a `kinship`
    the number and depth of child runs are unbounded. With `collections` the listener of a schedule collects
    the events of each correlation apart; if it then wants one that is not known, the result is void.
    """
    resumed = state is not None and state.resume is not None
    if isinstance(event, EngineFailed) and (state is None or resumed or state.status not in ENDED):
        return abandon(state, run=event.run, now_ms=event.now_ms, error=read_error(event.error, ROOT))
    draft_of = partial(
        Draft,
        plan,
        evaluate,
        now_ms=event.now_ms,
        handle_key=handle_key,
        kinship=kinship,
        collections=collections,
    )
    if state is None:
        assert isinstance(event, Started), f"{type(event).__name__} before Started"
        draft = draft_of(State(run=event.run, started=event.now_ms))
        start(draft, event)
    elif isinstance(event, RetryRequested) and state.resume is not None:
        draft = draft_of(restored(state))
        retry(draft, copy.deepcopy(state.resume), event)
    elif state.status in ENDED:
        return Advance(state, [], [], noted=f"the run is {state.status}")
    else:
        draft = draft_of(state)
        noted = react(draft, event)
        if noted is not None:
            return Advance(state, draft.commands, [], noted=noted)
    changed = bool(plan.attributes) and attributes.follow(
        draft,
        began=state is None,
        context_before=None if state is None else state.context,
        completed=draft.status is RunStatus.COMPLETED,
    )
    return Advance(
        draft.state(),
        draft.commands,
        draft.entries,
        output=draft.output,
        error=draft.error,
        attributes=draft.attributes if changed else None,
    )
