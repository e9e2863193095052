"""`call: human.approve`: an approval, the tasks that notify people of it, and its deadline."""

from collections.abc import Mapping
from typing import Any, cast

from visapi_engine.checks.shapes import as_list, as_object, check_keys, kind
from visapi_engine.compile.announced import check_written
from visapi_engine.compile.build import Build, Place
from visapi_engine.compile.data_flow import read_duration
from visapi_engine.compile.tasks.lists import compile_list
from visapi_engine.compile.templates import TASK, is_wrapped, template
from visapi_engine.model.catalog import APPROVE, APPROVER_RULE, ENGINE_FUNCTIONS, may_approve
from visapi_engine.model.program import (
    ApproveNode,
    Common,
    DoNode,
    Duration,
    Escalation,
    Literal,
    Record,
    Template,
)
from visapi_engine.source.findings import listed
from visapi_engine.source.pointers import join

VARIABLE = "approval"
"""The variable of the notifying tasks: `$approval.link` and more."""
FAULT = "fault"
_QUESTION = ("title", "text", "data", "choices", "approvers", "onDeadline")
_ESCALATION = ("after", "notify", "approvers")
_CHOICES = ("approve", "reject")


def compile_approve(build: Build, place: Place, body: dict[str, Any], common: Common) -> ApproveNode:
    at = place.at("with")
    given = as_object(build.findings, body.get("with", {}), at, "`with`") or {}
    before = len(build.findings.errors)
    if isinstance(body.get("with", {}), dict):
        check_keys(
            build.findings,
            given,
            at,
            (*_QUESTION, "notify", "deadline", "escalation"),
            required=("title",),
        )
    names = TASK | place.variables
    question = {key: template(build, given[key], join(at, key), names) for key in _QUESTION if key in given}
    if len(build.findings.errors) == before:
        check_written(build.findings, ENGINE_FUNCTIONS[APPROVE], Record(question), at)
        _check_deadline(build, given, at)
        _check_people(build, given, at)
    return ApproveNode(
        pointer=place.pointer,
        name=place.name,
        parent=place.parent,
        common=common,
        question=question,
        notify=_notify(build, place, given, "notify"),
        deadline=_duration(build, given, "deadline", at, names),
        escalation=_escalation(build, place, given, names),
    )


def _check_deadline(build: Build, given: Mapping[str, Any], at: str) -> None:
    action = given.get("onDeadline", FAULT)
    if action != FAULT and "deadline" not in given:
        build.findings.error(join(at, "onDeadline"), "`onDeadline` needs a `deadline`")
    choices = cast("list[Any]", given.get("choices", _CHOICES))
    if isinstance(choices, str) or any(is_wrapped(one) for one in (action, *choices)):
        return
    if action not in (FAULT, *choices):
        detail = f"`onDeadline` must be one of {listed([FAULT, *choices])}, found {kind(action)}"
        build.findings.error(join(at, "onDeadline"), detail)


def _check_people(build: Build, given: Mapping[str, Any], at: str) -> None:
    people = given.get("approvers")
    for place, name in enumerate(cast("list[Any]", people) if isinstance(people, list) else []):
        if isinstance(name, str) and not may_approve(name):
            detail = f"no approver can be called {name!r}: {APPROVER_RULE}"
            build.findings.error(join(at, "approvers", place), detail)


def _escalation(
    build: Build, place: Place, given: Mapping[str, Any], names: frozenset[str]
) -> Escalation | None:
    if "escalation" not in given:
        return None
    at = place.at("with", "escalation")
    wanted = as_object(build.findings, given["escalation"], at, "`escalation`")
    if wanted is None:
        return None
    check_keys(build.findings, wanted, at, _ESCALATION, required=("after", "notify"))
    people: Template = Literal([])
    _check_people(build, wanted, at)
    if "approvers" in wanted:
        people = template(build, wanted["approvers"], join(at, "approvers"), names)
    return Escalation(
        after=_duration(build, wanted, "after", at, names) or Duration(ms=0),
        notify=_notify(build, place, wanted, "escalation", "notify") or "",
        approvers=people,
    )


def _duration(
    build: Build, given: Mapping[str, Any], name: str, at: str, names: frozenset[str]
) -> Duration | None:
    return read_duration(build, given[name], join(at, name), names, f"`{name}`") if name in given else None


def _notify(build: Build, place: Place, given: Mapping[str, Any], *parts: str) -> str | None:
    """Compile the notifying tasks as one `do`; gives its pointer."""
    if "notify" not in given:
        return None
    where = Place(
        pointer=join(place.pointer, "with", *parts),
        source=place.at("with", *parts),
        name=parts[0],
        parent=place.pointer,
        variables=place.variables | {VARIABLE},
        calling=place.calling,
        on_uncertain=place.on_uncertain,
        extending=place.extending,
    )
    if as_list(build.findings, given["notify"], where.source, "`notify`") is None:
        return None
    children = compile_list(build, where, given["notify"])
    build.add(
        DoNode(
            pointer=where.pointer, name=where.name, parent=place.pointer, common=Common(), children=children
        )
    )
    return where.pointer
