"""Where a task is in a run: its pointer, then `@` and the iteration vector.

The vector has one number per enclosing list of tasks that can be run again, by a jump or by the next
iteration of its loop, outermost first: how often that list was begun anew. Trailing zeros are left out, and
an all-zero vector altogether, so most paths are plain pointers. A retry never enters it.
"""

from collections.abc import Iterable

WAIT = "wait"
TIMEOUT = "timeout"
RETRY = "retry"
ATTEMPT = "attempt"
DEADLINE = "deadline"
ESCALATE = "escalate"
CONTINUE = "continue"
"""A timer of the workflow itself: more tasks are to begin than one transition begins."""


def vector_of(path: str, pointer: str) -> tuple[int, ...]:
    """The iteration vector of a path whose pointer is known, trailing zeros left out."""
    if len(path) == len(pointer):
        return ()
    return tuple(int(number) for number in path[len(pointer) + 1 :].split("."))


def path_of(pointer: str, vector: Iterable[int]) -> str:
    """The path of a pointer with an iteration vector."""
    numbers = list(vector)
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return f"{pointer}@{'.'.join(map(str, numbers))}" if numbers else pointer


def child_path(pointer: str, parent_vector: tuple[int, ...], level: int, visit: int) -> str:
    """The path of a child in the `visit`-th round of a list that is nested `level` lists deep."""
    if visit == 0 and not parent_vector:
        return pointer
    padding = (0,) * (level - len(parent_vector))
    return path_of(pointer, (*parent_vector, *padding, visit))


def timer_id(path: str, kind: str) -> str:
    """The id of a frame's timer; derived, so that a replay names the same one."""
    return f"{path}#{kind}"


def split_timer_id(timer: str) -> tuple[str, str]:
    """The path and the kind of a timer's id."""
    path, _, kind = timer.rpartition("#")
    return path, kind
