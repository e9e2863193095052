"""`visapi doctor`: whether this command line can use its gateway, a line for each thing."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib import metadata
from typing import Annotated

import httpx
import typer

from visapi.cli.connection import DEFAULT_DATA_DIR, DataDir, Gateway, Url, find_gateway
from visapi.cli.finding_views import show
from visapi.cli.output import AUTHENTICATION, FAILURE, UNREACHABLE
from visapi.client import ApiError, Client, UnreachableError, contents, key_operations
from visapi.findings import Finding, Level
from visapi_common.contracts.keys import KeyView

SKEW_MAX_S = 30.0
"""A receiver of webhooks refuses a clock that is five minutes off; half a minute is worth mending."""
_TIMEOUT_S = 10.0
_ENDS_SOON = timedelta(days=7)


def doctor(
    url: Url = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the gateway of this command line, the key and its scopes, the clocks and the versions.

    Exit code 6 when the gateway does not answer, 4 when the key is missing or refused, 1 when it is not
    ready.
    """
    gateway = find_gateway(url, data_dir)
    found = [Finding(Level.OK, "gateway", f"{gateway.url}, from {gateway.origin}")]
    code = _reached(gateway, found) or _known(gateway, found)
    show(found, json=json)
    raise typer.Exit(code)


def _reached(gateway: Gateway, found: list[Finding]) -> int:
    """Readiness and the clock; the exit code."""
    try:
        answer = httpx.get(f"{gateway.url}/readyz", timeout=_TIMEOUT_S, trust_env=False)
    except httpx.HTTPError as error:
        found.append(Finding(Level.FAIL, "reachable", f"{gateway.url} does not answer: {error}"))
        return UNREACHABLE
    ready = answer.status_code == 200
    level = Level.OK if ready else Level.FAIL
    found.append(Finding(level, "ready", "yes" if ready else f"no, it answers {answer.status_code}"))
    found.append(clock(answer.headers.get("Date"), datetime.now(UTC)))
    return 0 if ready else FAILURE


def _known(gateway: Gateway, found: list[Finding]) -> int:
    """The key and the versions; the exit code."""
    if gateway.key is None:
        found.append(Finding(Level.FAIL, "key", "there is none; set VISAPI_API_KEY"))
        return AUTHENTICATION
    try:
        with Client(gateway.url, gateway.key) as client:
            found.extend(of_key(client.send(key_operations.current_key()), datetime.now(UTC)))
            found.append(of_versions(client.send(contents.read_capabilities()).version))
    except UnreachableError as error:
        found.append(Finding(Level.FAIL, "reachable", str(error)))
        return UNREACHABLE
    except ApiError as error:
        found.append(Finding(Level.FAIL, "key", f"{error.problem.title}: {error}"))
        return AUTHENTICATION if error.status in {401, 403} else FAILURE
    return 0


def clock(date: str | None, now: datetime) -> Finding:
    """The gateway's clock beside this one; `date` is the header of its answer, whole seconds."""
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return Finding(Level.WARN, "clock", "the gateway sends no date")
    off_s = (theirs - now).total_seconds()
    if abs(off_s) > SKEW_MAX_S:
        return Finding(Level.WARN, "clock", f"the gateway's is {off_s:+.0f} s off from this one")
    return Finding(Level.OK, "clock", "as the gateway's")


def of_key(key: KeyView, now: datetime) -> list[Finding]:
    """What the key is and may do, and whether it ends soon."""
    found = [Finding(Level.OK, "key", f"{key.id} ({key.name}), {key.kind}")]
    if key.expires_at is not None:
        soon = key.expires_at - now < _ENDS_SOON
        ends = f"{key.expires_at:%Y-%m-%d %H:%M}"
        found.append(Finding(Level.WARN if soon else Level.OK, "key ends", ends))
    found.append(Finding(Level.OK, "scopes", " ".join(key.scopes)))
    if key.workflows is not None:
        found.append(Finding(Level.OK, "workflows", " ".join(key.workflows)))
    return found


def of_versions(theirs: str) -> Finding:
    """This command line beside the gateway."""
    ours = metadata.version("visapi")
    if ours == theirs:
        return Finding(Level.OK, "version", ours)
    return Finding(Level.WARN, "version", f"{ours} here, {theirs} there; install the gateway's")
