"""The given answers: which task each belongs to, and which one comes next."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.simulation import Given
from visapi_engine.checks.durations import iso_ms
from visapi_engine.model.program import ApproveNode, CallNode, Program, RunNode
from visapi_engine.source.findings import nearest
from visapi_engine.source.pointers import join

AnswersGiven = Mapping[str, Given | list[Given]]
Asker = CallNode | RunNode | ApproveNode

SHOWN_MAX = 20
"""Tasks named in one message."""


class Answer(msgspec.Struct, frozen=True):
    """One answer, and after how many milliseconds it comes."""

    given: Given
    after_ms: int


class GivenAnswers:
    """The answers of one simulation; each list is read from its beginning."""

    def __init__(self, program: Program, given: AnswersGiven) -> None:
        askers = _askers(program)
        self._owner = {asker.pointer: key for key in given for asker in _meant(askers, key)}
        self._given = given
        self._read: dict[str, int] = {}

    def next(self, pointer: str) -> Answer | None:
        """The answer to the next request of a task; None when no (further) answer was given."""
        key = self._owner.get(pointer)
        if key is None:
            return None
        answers = self._given[key]
        count = self._read.get(key, 0)
        self._read[key] = count + 1
        if isinstance(answers, Given):
            return _answer(answers)
        return _answer(answers[count]) if count < len(answers) else None

    def how_to_give(self, pointer: str) -> str:
        """What to write so that a task whose request had no answer gets one."""
        key = self._owner.get(pointer)
        if key is None:
            return f'add to `given`: "{pointer}": {{"output": …}} (or "error")'
        return f"append answer number {self._read[key]} to the list {join('/given', key)}"

    def unused(self) -> list[str]:
        """Pointers into the body, to the answers that no task has requested."""
        found: list[str] = []
        for key, answers in self._given.items():
            read = self._read.get(key, 0)
            if isinstance(answers, Given):
                found += [] if read else [join("/given", key)]
            else:
                found += [join("/given", key, at) for at in range(read, len(answers))]
        return found


def check_answers(program: Program, given: AnswersGiven) -> list[FieldError]:
    """What is wrong with the answers: unknown or ambiguous tasks, answers that say nothing or too much."""
    askers = _askers(program)
    wrong: list[FieldError] = []
    seen: dict[str, str] = {}
    for key, answers in given.items():
        at = join("/given", key)
        meant = _meant(askers, key)
        if not meant:
            wrong.append(FieldError(at, _unknown(program, askers, key)))
        elif len(meant) > 1:
            wrong.append(FieldError(at, f"several tasks have this name; use a pointer: {_shown(meant)}"))
        elif seen.setdefault(meant[0].pointer, key) != key:
            earlier = seen[meant[0].pointer]
            wrong.append(FieldError(at, f'the same task is given under "{earlier}"; give it once'))
        for number, answer in enumerate([answers] if isinstance(answers, Given) else answers):
            where = at if isinstance(answers, Given) else join(at, number)
            wrong += [FieldError(where, detail) for detail in _check(answer, meant)]
    return wrong


def _askers(program: Program) -> list[Asker]:
    """The tasks that wait for an answer from outside."""
    return [
        node
        for node in program.nodes.values()
        if isinstance(node, CallNode | ApproveNode) or (isinstance(node, RunNode) and node.awaited)
    ]


def _meant(askers: Sequence[Asker], key: str) -> list[Asker]:
    """The tasks that a key may mean: the one with this pointer, else those with this name."""
    return [asker for asker in askers if asker.pointer == key] or [
        asker for asker in askers if asker.name == key
    ]


def _shown(askers: Sequence[Asker]) -> str:
    return ", ".join(asker.pointer for asker in askers[:SHOWN_MAX])


def _unknown(program: Program, askers: Sequence[Asker], key: str) -> str:
    other = next((node for node in program.nodes.values() if key in (node.pointer, node.name)), None)
    if other is not None:
        return f"{other.pointer} asks nobody: only a `call` and an awaited `run` have answers"
    if not askers:
        return "no `call` or `run` has this name or pointer; the workflow asks nobody"
    hint = nearest(key, [spelling for asker in askers for spelling in (asker.name, asker.pointer)])
    return f"no `call` or `run` has this name or pointer.{hint} There are: {_shown(askers)}"


def _check(answer: Given, meant: Sequence[Asker]) -> list[str]:
    said = [answer.output is not msgspec.UNSET, answer.error is not msgspec.UNSET, answer.uncertain]
    wrong = [] if sum(said) == 1 else ["give one of `output`, `error` and `uncertain: true`"]
    if answer.uncertain and any(isinstance(asker, RunNode) for asker in meant):
        wrong.append("the end of a child run is never uncertain; give `output` or `error`")
    if any(isinstance(asker, ApproveNode) for asker in meant) and not _is_decision(answer.output):
        wrong.append('a decision of people is given as `"output": {"decision": …}`, maybe `comment` and `by`')
    try:
        _answer(answer)
    except ValueError as error:
        wrong.append(f"`after`: {error}")
    return wrong


def _is_decision(output: Any) -> bool:
    if not isinstance(output, dict):
        return False
    said = cast("dict[str, Any]", output)
    texts = (said.get("decision"), said.get("comment") or "", said.get("by", ""))
    return said.keys() <= {"decision", "comment", "by", "at"} and all(isinstance(text, str) for text in texts)


def _answer(given: Given) -> Answer:
    return Answer(given, 0 if given.after is None else iso_ms(given.after))
