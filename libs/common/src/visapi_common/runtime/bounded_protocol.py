"""Messages between a service and its job server (`framing`)."""

import msgspec


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one job. The kernel ends a job that exceeds them."""

    cpu_ms: int = 1_000
    wall_ms: int = 10_000
    memory_bytes: int = 256 * 1024 * 1024
    """Address space beyond that of the job server."""
    input_bytes: int = 16 * 1024 * 1024
    output_bytes: int = 16 * 1024 * 1024
    files: int = 0
    """Files that the job may open: none where a tenant's program runs, a few for imports of our own
    functions.
    """
    forks: bool = False
    """Whether the job may fork. It must limit its children, which inherit its memory limit and priority."""


class Start(msgspec.Struct, frozen=True, tag="start"):
    """To the server, first: the functions to import as `module:function`, and the account to run as."""

    functions: list[str]
    warm_up: list[str]
    """Functions without arguments, called once, so that a job need not import or read anything."""
    user: str = ""
    writes: str | None = None
    """The release whose formats are written."""


class Run(msgspec.Struct, frozen=True, tag="run"):
    """To the server: one job."""

    id: int
    function: str
    payload: bytes
    bounds: Bounds


class Kill(msgspec.Struct, frozen=True, tag="kill"):
    """To the server: cancel this job."""

    id: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """From the server: everything is imported."""


class Done(msgspec.Struct, frozen=True, tag="done"):
    """From the server: the job's result."""

    id: int
    payload: bytes


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """From the server: the job has no result. `reason` is cpu, wall, memory, output, killed, died or bug."""

    id: int
    reason: str
    detail: str = ""


Down = Start | Run | Kill
Up = Ready | Done | Ended
