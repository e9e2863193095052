"""The process in which templates render: no environment, no rights, no network code, hard limits.

Started as a program. It loads Jinja2 and the built-in templates once, then forks for every task:
the fork may use 5 s of CPU, 512 MiB, no files, no processes, and is gone afterwards, so nothing of
one tenant's template is left for the next. Frames on both pipes are a 4-byte length and JSON.
"""

import os
import pwd
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import Any, cast

import jinja2
import msgspec
import segno
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

_CPU_S = 5
_MEMORY = 512 * 1024 * 1024
_WALL_S = 10
_OUT_MAX = 8 * 1024 * 1024


class Work(msgspec.Struct, frozen=True):
    """One template to render: a stored one by `name`, else `source`."""

    name: str | None
    source: str | None
    data: Any


class Done(msgspec.Struct, frozen=True, omit_defaults=True):
    """`html`, or the code and text of a problem."""

    html: str | None = None
    code: str | None = None
    detail: str | None = None


def environment() -> jinja2.Environment:
    """The sandbox: autoescape, no attribute that starts with `_`, no loader, undefined is an error."""
    sandbox = ImmutableSandboxedEnvironment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    cast("dict[str, Any]", sandbox.globals)["qr"] = qr  # pyright: ignore[reportUnknownMemberType]
    cast("dict[str, Any]", sandbox.filters)["mrz"] = mrz  # pyright: ignore[reportUnknownMemberType]
    return sandbox


def qr(text: object, colour: str = "#000") -> Markup:
    """A QR code as an inline SVG that fills its box (ISO/IEC 18004, error correction M)."""
    code = segno.make(str(text), error="m", micro=False)
    return Markup(code.svg_inline(border=0, dark=colour, omitsize=True))  # noqa: S704 (segno's own SVG)


def mrz(text: object, width: int = 30) -> str:
    """Text as machine-readable zones spell it: A-Z, 0-9 and `<`, padded (ICAO Doc 9303, part 3)."""
    spelled = "".join(
        letter if letter.isascii() and letter.isalnum() else "<" for letter in str(text).upper()
    )
    return spelled[:width].ljust(width, "<")


def render(sandbox: jinja2.Environment, stored: dict[str, jinja2.Template], work: Work) -> Done:
    """Render; everything a template can do wrong is a `Done` with a code."""
    data: dict[str, Any] = {"data": work.data}
    if isinstance(work.data, dict):  # its keys are text: it came as JSON
        data = cast("dict[str, Any]", work.data)  # pyright: ignore[reportUnknownMemberType]
    try:
        if work.source is not None:
            template = sandbox.from_string(work.source)
        elif work.name in stored:
            template = stored[work.name or ""]
        else:
            return Done(code="template_unknown", detail=f"there is no template {work.name!r}")
        html = template.render(data)
    except jinja2.TemplateSyntaxError as error:
        return Done(code="template_invalid", detail=f"line {error.lineno}: {error.message}")
    except SecurityError as error:
        return Done(code="template_refused", detail=str(error))
    except MemoryError:
        return Done(code="template_limits", detail="the template needs more memory than it may have")
    except Exception as error:  # noqa: BLE001 (a template is a program; it may raise anything)
        return Done(code="template_failed", detail=f"{type(error).__name__}: {error}"[:2000])
    if len(html) > _OUT_MAX:
        return Done(code="template_limits", detail=f"the result has more than {_OUT_MAX} characters")
    return Done(html=html)


def main() -> None:
    """Serve frames until the pipe closes."""
    sandbox = environment()
    folder = Path(__file__).parent.parent / "templates"
    stored = {
        path.stem: sandbox.from_string(path.read_text(encoding="utf-8")) for path in folder.glob("*.html")
    }
    msgspec.json.encode(render(sandbox, stored, Work(None, "{{ qr('warm up') }}", {})))
    if len(sys.argv) > 1 and sys.argv[1]:
        _become(sys.argv[1])
    while (frame := _read(0)) is not None:
        _write(1, _isolated(sandbox, stored, frame))


def _isolated(sandbox: jinja2.Environment, stored: dict[str, jinja2.Template], frame: bytes) -> bytes:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.close(0)
        os.close(1)
        _limit()
        _write(writer, msgspec.json.encode(render(sandbox, stored, msgspec.json.decode(frame, type=Work))))
        os._exit(0)
    os.close(writer)
    answer = _read(reader)
    os.close(reader)
    _, status = os.waitpid(child, 0)
    if answer is not None and status == 0:
        return answer
    detail = f"the template was stopped (status {status}): it used too much time or memory"
    return msgspec.json.encode(Done(code="template_limits", detail=detail))


def _limit() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, _WALL_S)
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))


def _become(user: str) -> None:
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)


def _read(descriptor: int) -> bytes | None:
    head = _exactly(descriptor, 4)
    return None if head is None else _exactly(descriptor, struct.unpack(">I", head)[0])


def _exactly(descriptor: int, count: int) -> bytes | None:
    parts: list[bytes] = []
    while count > 0:
        part = os.read(descriptor, min(count, 1 << 20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _write(descriptor: int, body: bytes) -> None:
    data = memoryview(struct.pack(">I", len(body)) + body)
    while data:
        data = data[os.write(descriptor, data) :]


if __name__ == "__main__":
    main()
