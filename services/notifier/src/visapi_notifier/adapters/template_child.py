"""The process that renders templates: no environment, no network use, limited memory and files.

Reads `{"sources": {part: source}, "data": …}` and writes `{"parts": …}` or `{"error": …}`, one JSON
line each. Its parent kills it when it takes too long.
"""

import resource
import sys
from typing import Any

import msgspec
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from visapi_notifier.core.template_limits import MEMORY_BYTES, OUTPUT_MAX_CHARS

_MISTAKES = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class Order(msgspec.Struct):
    """What the parent asks for."""

    sources: dict[str, str]
    data: Any = None


def render(order: Order) -> dict[str, Any]:
    """Render every part; HTML escapes data by default, text does not."""
    given: Any = order.data
    variables: dict[str, Any] = {**given} if isinstance(given, dict) else {}
    variables["data"] = order.data
    parts: dict[str, str] = {}
    for name, source in order.sources.items():
        try:
            parts[name] = _render_one(source, variables, escaped=name == "html")
        except _MISTAKES as error:
            return {"error": f"/template/{name}: {type(error).__name__}: {str(error)[:300]}"}
    return {"parts": parts}


def _render_one(source: str, variables: dict[str, Any], *, escaped: bool) -> str:
    environment = ImmutableSandboxedEnvironment(autoescape=escaped, undefined=StrictUndefined)
    pieces: list[str] = []
    size = 0
    for piece in environment.from_string(source).generate(variables):
        size += len(piece)
        if size > OUTPUT_MAX_CHARS:
            raise ValueError(f"the output is longer than {OUTPUT_MAX_CHARS} characters")
        pieces.append(piece)
    return "".join(pieces)


def main() -> None:
    """Serve orders until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(Order).decode
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(encode(render(decode(line))) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
