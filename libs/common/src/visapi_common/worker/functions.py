"""A function of a worker: its announcement, and how its input and output pass through JSON.

Input and output types come from the handler's annotations; a type that msgspec knows (a struct, a
dataclass, `dict[str, int]`, …) both validates the input and becomes the announced JSON Schema.
Schemas given by hand take their place; then the handler gets plain data.
"""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, NamedTuple, get_type_hints

import jsonschema_rs
import msgspec

from visapi_common.contracts.foreign import STORED_DEPTH_MAX, Reader, Unreadable
from visapi_common.contracts.payloads import PAYLOAD_LIMIT, Encoded
from visapi_common.contracts.problems import FieldError
from visapi_common.contracts.task_messages import EffectClass, FunctionSpec
from visapi_common.core.errors import ProblemError
from visapi_common.worker.context import ReadOnly, TaskContext
from visapi_common.worker.threads import FreeThread, Threads

Handler = Callable[..., Any]
"""`async def f(input)` or `async def f(input, task: TaskContext)`; a plain `def` runs in a thread."""

_encode = msgspec.json.Encoder().encode
_PREFETCH_MAX = 256


class EncodedOutput(NamedTuple):
    """An encoded output. `read`: the call changed nothing. `checked`: its depth is known to be bounded."""

    raw: bytes
    read: bool
    checked: bool = False


class UnsendableOutput(ProblemError):
    """The function returned an output that cannot be sent."""

    def __init__(self, detail: str) -> None:
        super().__init__("output_unwritable", detail, status=422)


class Function:
    """One function: its announcement and its handler."""

    def __init__(
        self,
        spec: FunctionSpec,
        handler: Handler,
        *,
        local: int,
        claims: bool,
        ledger: bool = False,
        shape: type | None = None,
    ) -> None:
        self.spec = spec
        self.local = local
        """Concurrent tasks in this process."""
        self.claims = claims and spec.effect is EffectClass.ONCE
        """Whether the kit asks the orchestrator before each start (`worker/claims.py`)."""
        self.unanswered = EffectClass.KEYED if ledger else spec.effect
        """The effect class that applies when the kit itself ends a task, because of time or poison.

        A function with its own ledger records its starts there and holds uncertain effects itself, so the
        kit's result is definite.
        """
        self._handler = handler
        self._shape = shape
        parameters = list(inspect.signature(handler).parameters)
        if not 1 <= len(parameters) <= 2:
            raise TypeError(f"{spec.name}: a function takes its input and perhaps a TaskContext")
        self._with_context = len(parameters) == 2
        self._threads = None if inspect.iscoroutinefunction(handler) else Threads(spec.name, local)
        input_type = get_type_hints(handler).get(parameters[0], Any)
        wanted: Any = Any if spec.input_schema else input_type
        self._unread = wanted is msgspec.Raw
        self._read = Reader(wanted, depth_max=STORED_DEPTH_MAX, bytes_max=PAYLOAD_LIMIT, nul=True)
        self._validator = jsonschema_rs.validator_for(spec.input_schema) if spec.input_schema else None

    @property
    def window(self) -> int:
        """The most deliveries that are requested ahead."""
        return min(self.local, _PREFETCH_MAX)

    def read(self, raw: bytes) -> Any:
        """Decode and validate the input. Raises `ProblemError` with a pointer for each mistake.

        A handler of `msgspec.Raw` gets the undecoded bytes, and decodes them where that blocks no other task.
        """
        if self._unread:
            return msgspec.Raw(raw)
        value = self._read(raw)
        if isinstance(value, Unreadable):
            raise ProblemError("invalid_input", f"{self.spec.name}: {value.reason}")
        if self._validator is not None:
            self._validate(self._validator, value)
        return value

    @property
    def threaded(self) -> bool:
        """Whether it is a plain function, which runs in a thread."""
        return self._threads is not None

    def place(self) -> AbstractAsyncContextManager[FreeThread | None]:
        """The slot of a task: held from before its claim until its function has ended."""
        return nullcontext() if self._threads is None else self._threads.place()

    def call(self, value: Any, context: TaskContext, place: FreeThread | None) -> Awaitable[Any]:
        """Start the handler."""
        arguments = (value, context) if self._with_context else (value,)
        if place is not None:
            return place.run(self._handler, *arguments)
        return self._handler(*arguments)

    def write(self, value: Any) -> EncodedOutput:
        """Encode the output. Raises `TypeError` for a value that is not data, `UnsendableOutput` for data
        that cannot be sent.
        """
        try:
            return self._written(value)
        except (RecursionError, UnicodeError) as wrong:
            raise UnsendableOutput(
                f"{self.spec.name}: the output cannot be written as JSON: {wrong}"
            ) from None

    def _written(self, value: Any) -> EncodedOutput:
        read = isinstance(value, ReadOnly) or self.spec.effect is EffectClass.NONE
        given = value.value if isinstance(value, ReadOnly) else value
        if isinstance(given, Encoded):
            return EncodedOutput(given.json, read, checked=True)
        return EncodedOutput(_encode(given), read)

    def announcement(self) -> FunctionSpec:
        """The spec with the schemas that the annotations imply."""
        hints = get_type_hints(self._handler)
        first = next(iter(inspect.signature(self._handler).parameters))
        return msgspec.structs.replace(
            self.spec,
            input_schema=self.spec.input_schema or _schema_of(self._shape or hints.get(first, Any)),
            output_schema=self.spec.output_schema or _schema_of(hints.get("return", Any)),
        )

    def _validate(self, validator: Any, value: Any) -> None:
        errors = [
            FieldError(pointer="".join(f"/{part}" for part in error.instance_path), detail=error.message)
            for error in validator.iter_errors(value)
        ]
        if errors:
            shown = "; ".join(f"{error.pointer or '/'}: {error.detail}" for error in errors[:5])
            raise ProblemError("invalid_input", f"{self.spec.name}: {shown}", errors=errors)


def _schema_of(hint: Any) -> dict[str, Any] | None:
    if hint is Any or hint is msgspec.Raw:
        return None
    if hint is None or hint is type(None):
        return {"type": "null"}
    return msgspec.json.schema(hint)
