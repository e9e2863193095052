"""What travels between a service and its job server: a 4-byte big-endian length, then msgpack."""

import msgspec


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What one job may use. The kernel ends a job that uses more."""

    cpu_ms: int = 1_000
    wall_ms: int = 10_000
    memory_bytes: int = 256 * 1024 * 1024
    """Address space beyond what the job server has."""
    input_bytes: int = 16 * 1024 * 1024
    output_bytes: int = 16 * 1024 * 1024
    files: int = 0
    """Files it may open: none where a tenant's program runs, a few for our own functions, to import."""
    forks: bool = False
    """Whether it may have children, which it has to bound itself. They have its memory limit and niceness."""


class Start(msgspec.Struct, frozen=True, tag="start"):
    """Down, first: the functions to import as `module:function`, and whom the job server becomes."""

    functions: list[str]
    warm_up: list[str]
    """Functions without arguments, called once, so that a job need not import or read anything."""
    user: str = ""


class Run(msgspec.Struct, frozen=True, tag="run"):
    """Down: one job."""

    id: int
    function: str
    payload: bytes
    bounds: Bounds


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """Down: nobody waits for this job any more."""

    id: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """Up: everything is imported."""


class Done(msgspec.Struct, frozen=True, tag="done"):
    """Up: the job's result."""

    id: int
    payload: bytes


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """Up: the job has no result. `reason` is cpu, wall, memory, output, killed, died or bug."""

    id: int
    reason: str
    detail: str = ""


Down = Start | Run | Kill
Up = Ready | Done | Ended

_encode = msgspec.msgpack.Encoder().encode


def frame(message: Down | Up) -> bytes:
    """A message as it travels."""
    body = _encode(message)
    return len(body).to_bytes(4, "big") + body
