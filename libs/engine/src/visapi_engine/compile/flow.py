"""Flow directives (dsl-reference, Flow Directive): the targets of `then`, and unreachable tasks."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from visapi_engine.checks.shapes import kind
from visapi_engine.compile.build import Place
from visapi_engine.model.program import DoNode, ExtendNode, Flow, Node, RaiseNode, SwitchNode, TryNode
from visapi_engine.source.findings import Findings, listed, nearest

DIRECTIVES = ("continue", "exit", "end")


def read_flow(findings: Findings, place: Place, value: Any, at: str) -> Flow:
    """A directive, or a jump to a task of the same list."""
    if not isinstance(value, str):
        findings.error(at, f"`then` must be {listed(DIRECTIVES)} or the name of a task, found {kind(value)}")
        return Flow()
    if value in DIRECTIVES:
        return Flow(directive=value)
    if value in place.siblings:
        return Flow(goto=place.siblings[value])
    if place.in_fork:
        findings.error(at, f'a branch of a fork cannot jump to "{value}"; allowed: {listed(DIRECTIVES)}')
        return Flow()
    hint = nearest(value, [*DIRECTIVES, *place.siblings])
    reachable = listed([*DIRECTIVES, *place.siblings])
    findings.error(
        at, f'no task called "{value}" in this list; `then` cannot leave it.{hint} Allowed: {reachable}'
    )
    return Flow()


def unreachable(children: list[str], nodes: Mapping[str, Node]) -> list[str]:
    """The tasks of a list that cannot be reached from its first task."""
    reached, _ = _walk(children, nodes)
    return [pointer for pointer in children if pointer in nodes and pointer not in reached]


def _walk(children: list[str], nodes: Mapping[str, Node]) -> tuple[set[str], bool]:
    """The reachable tasks of a list, and whether its end is reachable."""
    following = dict(pairwise(children))
    reached: set[str] = set()
    completes = not children
    waiting = children[:1]
    while waiting:
        pointer = waiting.pop()
        if pointer in reached or pointer not in nodes:
            continue
        reached.add(pointer)
        for flow in _exits(nodes, nodes[pointer]):
            target = flow.goto or (following.get(pointer) if flow.directive == "continue" else None)
            if target is not None:
                waiting.append(target)
            elif flow.directive != "end":
                completes = True
    return reached, completes


def _exits(nodes: Mapping[str, Node], node: Node) -> list[Flow]:
    """All ways out of a task. A task that is skipped by `if` continues with the next one."""
    exits: list[Flow] = [Flow()] if node.common.when is not None else []
    if isinstance(node, ExtendNode):
        # A task of `before` may replace the extended task, whatever that task's `then` says.
        return [*exits, Flow(), *(_exits(nodes, nodes[node.target]) if node.target in nodes else [])]
    if isinstance(node, SwitchNode):
        exits += [case.then for case in node.cases]
        if all(case.when is not None for case in node.cases) or any(
            _continues(case.then) for case in node.cases
        ):
            exits.append(node.common.then)
    elif isinstance(node, DoNode):
        exits += [node.common.then] if _walk(node.children, nodes)[1] else []
    elif isinstance(node, TryNode):
        exits += [node.common.then] if _walk(node.children, nodes)[1] else []
        exits += [node.catch_then or node.common.then] if _walk(node.catch_children, nodes)[1] else []
    elif not isinstance(node, RaiseNode):
        exits.append(node.common.then)
    return exits


def _continues(flow: Flow) -> bool:
    return flow.goto is None and flow.directive == "continue"
