"""Checks a cluster from outside and reports each obstacle to running VisAPI there, one line a check."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from visapi.admin.databases import SERVICE_ROLES, connection
from visapi.findings import Finding, Level
from visapi_common.adapters.bus import Bus, Urls
from visapi_common.adapters.migrate import schema_state
from visapi_common.adapters.nats_access import NatsAccess
from visapi_common.adapters.object_store import ObjectStore
from visapi_common.adapters.pool import Row
from visapi_common.adapters.queries import load_queries
from visapi_common.adapters.s3 import S3Access
from visapi_common.adapters.topology import StreamView, Topology
from visapi_common.core.errors import Fault, ProblemError

_QUERIES = load_queries("visapi.admin", "sql/doctor.sql")
TESTED_POSTGRES = 18
POSTGRES_MIN = 15
SKEW_MAX_S = 2.0
PAYLOAD_MIN = 1024 * 1024
_PROBE = "doctor/probe.txt"


async def examine_postgres(owner_url: str) -> list[Finding]:
    """As the owner of the database. Raises nothing."""
    try:
        async with connection(owner_url) as owner:
            asked = time.time()
            server = await owner.fetchrow(_QUERIES["server"])
            answered = time.time()
            roles = await owner.fetch(_QUERIES["roles"], list(SERVICE_ROLES))
            assert server is not None
            findings = [*_of_server(server), _clock("PostgreSQL", server["now"], asked, answered)]
            findings += [_of_role(role) for role in roles]
        state = await schema_state(owner_url)
        if state.expand:
            text = f"lacks {', '.join(state.expand)}; run `visapi admin migrate`"
            return [*findings, Finding(Level.FAIL, "schema", text)]
        findings.append(_of_schema(state.contract, state.newer))
        async with connection(owner_url) as owner:
            granted = await owner.fetchval(_QUERIES["rights"])
        if granted:
            return [*findings, Finding(Level.OK, "rights", "as this release grants them")]
        text = "not as this release grants them; run `visapi admin migrate`"
        return [*findings, Finding(Level.FAIL, "rights", text)]
    except Fault as error:
        return [Finding(Level.FAIL, "PostgreSQL", str(error))]


def _of_server(server: Row) -> Iterator[Finding]:
    major = server["major"]
    if major < POSTGRES_MIN:
        yield Finding(Level.FAIL, "PostgreSQL", f"{server['version']}; VisAPI needs {POSTGRES_MIN} or newer")
    else:
        tested = "" if major == TESTED_POSTGRES else f"; VisAPI is tested with {TESTED_POSTGRES}"
        yield Finding(Level.WARN if tested else Level.OK, "PostgreSQL", f"{server['version']}{tested}")
    if server["standby"]:
        text = "this server is a standby; name all hosts in the URL"
        yield Finding(Level.FAIL, "writable", text)
    tls = "TLS" if server["tls"] else "no TLS; add sslmode=verify-full unless this is the same machine"
    yield Finding(Level.OK if server["tls"] else Level.WARN, "PostgreSQL TLS", tls)
    off = [name for name in ("fsync", "full_page_writes", "synchronous_commit") if server[name] == "off"]
    text = f"{', '.join(off)} off: what was accepted may be lost" if off else "commits are on disk"
    yield Finding(Level.FAIL if off else Level.OK, "durability", text)
    standbys = server["standbys"]
    synchronous = f"synchronous: {server['synchronous_standbys'] or 'none'}"
    if standbys:
        level = Level.OK if server["synchronous_standbys"] else Level.WARN
        yield Finding(level, "replication", f"{standbys} standbys, {synchronous}")
    else:
        yield Finding(Level.WARN, "replication", "no standby: a lost disk loses what was accepted")
    used, most = server["connections"], server["connections_max"]
    yield Finding(Level.OK if most - used >= 20 else Level.WARN, "connections", f"{used} of {most} in use")


def _of_role(role: Row) -> Finding:
    name = str(role["name"])
    if not role["there"]:
        return Finding(Level.FAIL, name, "does not exist; run `visapi admin roles`")
    if role["sees_all"]:
        return Finding(Level.FAIL, name, "is a superuser or has BYPASSRLS: it sees every tenant")
    if not role["may_login"] or not role["may_connect"]:
        return Finding(Level.FAIL, name, "may not connect to the database; run `visapi admin roles`")
    return Finding(Level.OK, name, "may connect, and sees no tenant it is not asked to")


def _of_schema(contract: list[str], newer: list[str]) -> Finding:
    if newer:
        return Finding(Level.WARN, "schema", f"is of a later release ({', '.join(newer)})")
    if contract:
        what = f"waits for {', '.join(contract)}"
        text = f"{what}; run `visapi admin migrate --step contract` when nothing older runs"
        return Finding(Level.WARN, "schema", text)
    return Finding(Level.OK, "schema", "is up to date")


async def examine_nats(url: Urls, access: NatsAccess, replicas: int | None) -> list[Finding]:
    """As the user `orchestrator`. Raises nothing."""
    bus = await Bus.connect(url, "visapi-doctor", access=access)
    try:
        server = bus.server
        if server is None:
            return [Finding(Level.FAIL, "NATS", f"cannot be reached: {bus.last_error or 'no answer'}")]
        enough = server.max_payload >= PAYLOAD_MIN
        payload = f"max_payload {server.max_payload}" + ("" if enough else f"; set at least {PAYLOAD_MIN}")
        findings = [
            Finding(Level.OK, "NATS", server.version),
            Finding(Level.OK if enough else Level.FAIL, "NATS messages", payload),
        ]
        asked = time.time()
        streams = await Topology(bus).view()
        answered = time.time()
        findings += [_of_stream(stream, replicas) for stream in streams]
        clocks = [stream.now for stream in streams if stream.now is not None]
        return [*findings, *(_clock("NATS", clock, asked, answered) for clock in clocks[:1])]
    except Fault as error:
        return [Finding(Level.FAIL, "JetStream", str(error))]
    finally:
        await bus.close()


def _of_stream(stream: StreamView, replicas: int | None) -> Finding:
    what = f"stream {stream.name}"
    if not stream.there:
        return Finding(Level.WARN, what, "is not there yet; the orchestrator makes it when it starts")
    text = f"{stream.storage}, {stream.replicas} replicas, {stream.current} of them current"
    if replicas is not None and stream.replicas != replicas:
        return Finding(Level.WARN, what, f"{text}; the orchestrator changes that to {replicas}")
    return Finding(Level.OK if stream.current >= stream.replicas else Level.WARN, what, text)


def _clock(whose: str, theirs: Any, asked: float, answered: float) -> Finding:
    """The clock of PostgreSQL decides; all others only date logs and tokens."""
    now: datetime = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    skew = max(asked - now.timestamp(), now.timestamp() - answered, 0.0)
    agrees = skew <= SKEW_MAX_S
    text = "agrees with this machine's" if agrees else f"differs by {skew:.1f} s from this machine's"
    return Finding(Level.OK if agrees else Level.WARN, f"clock of {whose}", text)


async def examine_artifacts(url: str, access: S3Access) -> Finding:
    """Writes an object and reads it back. Raises nothing."""
    try:
        store = ObjectStore.open(url, access)
        await store.put(_PROBE, b"visapi", "text/plain")
        kept = await store.get(_PROBE)
    except (Fault, ProblemError, ValueError) as error:
        return Finding(Level.FAIL, "artifact store", str(error))
    if kept != b"visapi":
        return Finding(Level.FAIL, "artifact store", "reads something else than was written")
    return Finding(Level.OK, "artifact store", "writes and reads")
