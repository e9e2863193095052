"""The declaration of a channel. Pure: processes that prepare inputs import only declarations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from visapi_common.contracts.account_kinds import Kind

I = TypeVar("I")  # noqa: E741 (input)
C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel(Generic[I, C]):
    """One function of the notifier."""

    name: str
    """Of the function that a workflow calls."""
    description: str
    effect: Literal["keyed", "once"]
    """*keyed* when the receiver honours the effect key, else *once*."""
    varies: bool = False
    """Whether each request decides how repeatable its effect is; `effect` is the least repeatable."""
    input: type[I]
    """The shape of the input, announced with the function."""
    call: type[C]
    """The shape of what `prepare` returns; a process hands it back as MessagePack."""
    prepare: Callable[[I], C]
    """From the input, its secrets opened, to the call. Raises `ProblemError` and `EgressRefused`."""
    account: Kind | None = None
    """The kind of account that a call may name (`contracts/account_kinds.py`)."""
    samples: Sequence[Any] = ()
    """Inputs with which a new process imports what `prepare` needs: later it may open few files."""
    timeout_s: float = 86_400.0
    """Above every timeout that a task may choose: each try has its own limit (`delivery/tries.py`)."""
    concurrency: int = 256
    """Tasks in work over all replicas."""
    local: int = 256
    """Tasks in work in one process. One tenant alone gets half; the others stay free for later tenants."""

    @property
    def label(self) -> str:
        """The channel's name in metrics and messages."""
        return self.name.removeprefix("notify.").removesuffix(".request")
