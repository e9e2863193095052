"""Random workflows whose outcome does not depend on the order in which the world answers.

Loops, `switch`, `then: exit`, `emit`, children and listeners (every event says the same) are among them.
Races are left out (`compete`, timeouts, exports and uncaught errors within branches), because there the
order is the outcome.
Everything else of the language may appear, nested.
"""

import json
from typing import Any

from hypothesis import strategies as st

from visapi_engine.compile.compiler import Compiled, compile_definition

Tasks = list[dict[str, Any]]

MAP_WIDTH_MAX = 3
"""Items of a map that are under way at once."""

# With an id and a time of its own: else both would tell when the event came about.
_EVENT = {"id": "1", "source": "/test", "type": "test.said", "time": "2026-01-01T00:00:00Z", "data": "${ . }"}
_EMIT = {"emit": {"event": {"with": _EVENT}}}
_CHILD = {
    "run": {"workflow": {"namespace": "test", "name": "child", "version": "1.0.0", "input": "${ {a: .} }"}}
}
_HEAR = {"listen": {"to": {"one": {"with": {"type": "test.go"}}}}}


def _named(tasks: list[dict[str, Any]]) -> Tasks:
    return [{f"t{place}": task} for place, task in enumerate(tasks)]


def _leaf(*, may_fault: bool) -> st.SearchStrategy[dict[str, Any]]:
    function = st.sampled_from(["acme.sure", "acme.flaky"] if may_fault else ["acme.sure"])
    calls = function.map(lambda name: {"call": name, "with": {"seen": "${ . }"}})
    sets = st.just({"set": {"was": "${ . }"}})
    waits = st.integers(1, 5).map(lambda seconds: {"wait": {"seconds": seconds}})
    skipped = st.just({"if": "${ false }", "call": "acme.sure"})
    shaped = st.just(
        {"call": "acme.sure", "input": {"from": "${ {asked: .} }"}, "output": {"as": "${ [$input, .] }"}}
    )
    leaves = st.just({"if": "${ $workflow.input.n % 2 == 0 }", "set": {"left": "${ . }"}, "then": "exit"})
    decides = st.just({"switch": [{"even": {"when": "${ $workflow.input.n % 2 == 0 }", "then": "exit"}}]})
    others = st.sampled_from([_EMIT, _CHILD, _HEAR])
    return st.one_of(calls, calls, sets, waits, skipped, shaped, leaves, decides, others)


def _list(depth: int, *, may_fault: bool) -> st.SearchStrategy[Tasks]:
    return st.lists(_task(depth, may_fault=may_fault), min_size=1, max_size=3).map(_named)


def _task(depth: int, *, may_fault: bool) -> st.SearchStrategy[dict[str, Any]]:
    if depth == 0:
        return _leaf(may_fault=may_fault)
    within = depth - 1
    blocks = _list(within, may_fault=may_fault).map(lambda tasks: {"do": tasks})
    loops = st.builds(
        lambda items, body: {"for": {"each": "item", "in": f"${{ {items} }}"}, "do": body},
        st.lists(st.integers(0, 9), max_size=3),
        _list(within, may_fault=may_fault),
    )
    forks = _list(within, may_fault=False).map(lambda tasks: {"fork": {"branches": tasks}})
    policies = st.sampled_from([
        {},
        {"retry": {"delay": {"seconds": 2}, "limit": {"attempt": {"count": 2}}}},
        {"retry": {"limit": {"attempt": {"count": 3}}}},
        {"retry": {"delay": "PT1S", "backoff": {"linear": {}}, "jitter": {"from": "PT0S", "to": "PT5S"},
                   "limit": {"attempt": {"count": 1}}}},
    ])  # fmt: skip
    tries = st.builds(
        lambda body, policy, handler: {"try": body, "catch": {**policy, "do": handler}},
        _list(within, may_fault=True),
        policies,
        _list(0, may_fault=False),
    )
    maps = st.builds(
        lambda items, function, concurrency: {
            "call": "flow.map",
            "with": {
                "items": items,
                "function": function,
                "concurrency": concurrency,
                "tolerate": len(items) if function == "acme.flaky" else 0,
            },
        },
        st.lists(st.integers(0, 9), max_size=4),
        st.sampled_from(["acme.sure", "acme.flaky"]),
        st.integers(1, MAP_WIDTH_MAX),
    )
    return st.one_of(_leaf(may_fault=may_fault), blocks, loops, forks, tries, maps)


def workflows() -> st.SearchStrategy[Compiled]:
    """Compiled workflows, three levels deep at most."""
    return _list(3, may_fault=True).map(_compile)


def _compile(tasks: Tasks) -> Compiled:
    document = {"dsl": "1.0.3", "namespace": "test", "name": "random", "version": "1.0.0"}
    source = json.dumps({"document": document, "do": tasks}).encode()
    return compile_definition(source, "application/json")
