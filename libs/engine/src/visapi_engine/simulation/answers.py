"""The given answers: whose they are, and which one comes next."""

from collections.abc import Mapping

import msgspec

from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.simulation import Given
from visapi_engine.definition.durations import iso_ms
from visapi_engine.definition.pointers import join
from visapi_engine.definition.program import CallNode, Program, RunNode

AnswersGiven = Mapping[str, Given | list[Given]]


class Answer(msgspec.Struct, frozen=True):
    """One answer, and after how many milliseconds it comes."""

    given: Given
    after_ms: int


class Answers:
    """The answers of one simulation; each list is read from its beginning."""

    def __init__(self, program: Program, given: AnswersGiven) -> None:
        self._owner = {_pointer_of(program, key): key for key in given}
        self._given = given
        self._read: dict[str, int] = {}

    def next(self, pointer: str) -> Answer | None:
        """The answer to the next asking of a task; None when nothing (more) was given."""
        key = self._owner.get(pointer)
        if key is None:
            return None
        answers = self._given[key]
        count = self._read.get(key, 0)
        self._read[key] = count + 1
        if isinstance(answers, Given):
            return _answer(answers)
        return _answer(answers[count]) if count < len(answers) else None

    def unused(self) -> list[str]:
        """Pointers into `given` of what nobody asked for."""
        found: list[str] = []
        for key, answers in self._given.items():
            read = self._read.get(key, 0)
            if isinstance(answers, Given):
                found += [] if read else [join("/given", key)]
            else:
                found += [join(join("/given", key), at) for at in range(read, len(answers))]
        return found


def check_answers(program: Program, given: AnswersGiven) -> list[FieldError]:
    """What is wrong with the answers: unknown or ambiguous tasks, answers that say nothing or too much."""
    wrong: list[FieldError] = []
    askers = [node for node in program.nodes.values() if isinstance(node, (CallNode, RunNode))]
    seen: dict[str, str] = {}
    for key, answers in given.items():
        at = join("/given", key)
        named = [node.pointer for node in askers if key in (node.pointer, node.name)]
        if not named:
            known = ", ".join(node.pointer for node in askers[:20]) or "none; the workflow calls nothing"
            wrong.append(FieldError(at, f"no `call` or `run` has this name or pointer; there are: {known}"))
        elif len(named) > 1 and key not in named:
            wrong.append(FieldError(at, f"several tasks have this name; use a pointer: {', '.join(named)}"))
        elif seen.setdefault(_pointer_of(program, key), key) != key:
            wrong.append(FieldError(at, f"the same task is given under {seen[named[0]]!r}; give it once"))
        for number, answer in enumerate([answers] if isinstance(answers, Given) else answers):
            where = at if isinstance(answers, Given) else join(at, number)
            wrong += [FieldError(where, detail) for detail in _check(answer)]
    return wrong


def _check(answer: Given) -> list[str]:
    said = [answer.output is not msgspec.UNSET, answer.error is not msgspec.UNSET, answer.uncertain]
    wrong = [] if sum(said) == 1 else ["give one of `output`, `error` and `uncertain: true`"]
    try:
        _answer(answer)
    except ValueError as error:
        wrong.append(f"`after`: {error}")
    return wrong


def _answer(given: Given) -> Answer:
    return Answer(given, 0 if given.after is None else iso_ms(given.after))


def _pointer_of(program: Program, key: str) -> str:
    if key in program.nodes:
        return key
    for node in program.nodes.values():
        if node.name == key and isinstance(node, (CallNode, RunNode)):
            return node.pointer
    return key
