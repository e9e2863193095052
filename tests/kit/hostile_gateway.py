"""A gateway that answers each operation of the API in its shape, with texts that attack the terminal of the reader."""

import json
import pkgutil
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from msgspec import inspect

from visapi_common import contracts
from visapi_common.contracts.runs import HistoryItem, RunChange

FORGED = "state: resolved"
"""A line that the attack adds to the reader's output where a text of one line is printed with its line feeds."""
ATTACK = (
    "\x1b]0;owned\x07\x1b[2J\x9b2J\x1b[1A\x08\x7f\u202eowned\u2066\u200e\u200f\u061c\r[bold]owned[/bold]"
    f"\n{FORGED}\r\n{FORGED}"
)
_DOCUMENT = Path(__file__).parents[1] / "contract" / "openapi.json"
_NUMBERS = count(1)
_STRUCTS: dict[str, Any] = {
    name: value
    for module in pkgutil.iter_modules(contracts.__path__, f"{contracts.__name__}.")
    for name, value in vars(import_module(module.name)).items()
    if isinstance(value, type) and issubclass(value, msgspec.Struct)
}
_OTHERS: dict[str, Any] = {
    "HealthView": {"status": ATTACK, "checks": {ATTACK: ATTACK}},
    "Started": {"run": ATTACK},
}
"""Answers whose structs the gateway has for itself."""


def hostile(kind: Any) -> Any:
    """A value of a type, as JSON has it, with the attack in each text that has no form of its own."""
    return _hostile(inspect.type_info(kind))


def _hostile(kind: Any) -> Any:
    if type(kind) in _LEAVES:
        return _LEAVES[type(kind)](kind)
    match kind:
        case inspect.StructType():
            return {
                each.encode_name: None if _is_cursor(each) else _hostile(each.type) for each in kind.fields
            }
        case inspect.UnionType():
            return _hostile(next(one for one in kind.types if not isinstance(one, inspect.NoneType)))
        case inspect.DictType():
            return {ATTACK: _hostile(kind.value_type)}
        case inspect.TupleType():
            return [_hostile(one) for one in kind.item_types]
        case inspect.CollectionType():
            return [_hostile(kind.item_type)]
        case _:
            return ATTACK


_LEAVES: dict[Any, Callable[[Any], Any]] = {
    inspect.StrType: lambda kind: ATTACK if kind.pattern is None and kind.max_length is None else "x",
    inspect.IntType: lambda kind: kind.ge or 1,
    inspect.FloatType: lambda kind: kind.ge or 1,
    inspect.BoolType: lambda _: False,
    inspect.LiteralType: lambda kind: kind.values[-1],
    inspect.EnumType: lambda kind: list(kind.cls)[-1].value,
    inspect.UUIDType: lambda _: str(UUID(int=next(_NUMBERS))),
    inspect.DateTimeType: lambda _: (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    inspect.DateType: lambda _: "2026-11-24",
}


def _is_cursor(field: inspect.Field) -> bool:
    """Of a next page: there is none."""
    return field.name == "next" and isinstance(field.type, inspect.UnionType)


class HostileGateway(ThreadingHTTPServer):
    """Answers requests as the API describes them, or refuses each where `refuses` is set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.refuses = False
        self.paths: dict[str, Any] = json.loads(_DOCUMENT.read_text())["paths"]

    def answer(self, method: str, path: str, accept: str) -> tuple[int, str, bytes]:
        """Status, media type and body."""
        if self.refuses:
            return 422, "application/problem+json", _encoded({**hostile(_STRUCTS["Problem"]), "status": 422})
        if accept == "text/event-stream":
            return 200, accept, _stream(path).encode()
        status, contents = self._described(method, path)
        if "application/json" not in contents or accept == "application/yaml":
            return status, "text/plain", b"" if status == 204 else ATTACK.encode()
        name = contents["application/json"]["schema"]["$ref"].rpartition("/")[2]
        return (
            status,
            "application/json",
            _encoded(hostile(_STRUCTS[name]) if name in _STRUCTS else _OTHERS[name]),
        )

    def _described(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        for template, item in sorted(self.paths.items(), key=lambda one: one[0].count("{")):
            if method.lower() in item and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path):
                status, answer = next(iter(item[method.lower()]["responses"].items()))
                return int(status), answer.get("content", {})
        raise AssertionError(f"the API has no {method} {path}")


def _stream(path: str) -> str:
    if path == "/v1/runs/changes":
        return f"id: 1\ndata: {json.dumps(hostile(RunChange))}\n\n"
    item = {
        **hostile(HistoryItem),
        "type": "task.faulted",
        "data": {"error": hostile(_STRUCTS["WorkflowError"])},
    }
    return f'data: {json.dumps(item)}\n\nevent: end\ndata: {{"status": "cancelled", "seq": 1}}\n\n'


def _encoded(value: Any) -> bytes:
    return msgspec.json.encode(value)


class _Door(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, HostileGateway)
        self.rfile.read(int(self.headers.get("content-length", 0)))
        status, kind, body = self.server.answer(
            self.command, self.path.partition("?")[0], self.headers.get("accept", "")
        )
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 (the names that the server calls)

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 (the name of the base class)


@contextmanager
def hostile_gateway() -> Iterator[HostileGateway]:
    """A gateway that runs until the end of the block."""
    with HostileGateway() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()
