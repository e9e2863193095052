"""`visapi admin doctor`."""

import os
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from visapi.admin import doctor as admin
from visapi.admin import settings as admin_settings
from visapi.admin.rotation import examine_rings
from visapi.cli.admin_work import run, settings, usage_errors
from visapi.cli.finding_views import show
from visapi.cli.output import FAILURE, fail
from visapi.findings import Finding, Level
from visapi_common.runtime.connections import ArtifactSettings, NatsSettings
from visapi_common.runtime.settings import PREFIX, StreamReplicas, load, names_of


class DoctorSettings(NatsSettings, frozen=True, kw_only=True):
    """NATS as the user `orchestrator`, with the orchestrator's settings."""

    stream_replicas: StreamReplicas | None = None


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check PostgreSQL (VISAPI_OWNER_URL), NATS (VISAPI_NATS_URL and its neighbours, as user `orchestrator`)
    and the artifact store (VISAPI_ARTIFACTS_URL, VISAPI_S3_…), whichever is set, and print a line for each
    check. Exit code 1 when a check fails. Keys that are set are checked as by `visapi admin rotation`.
    """
    with usage_errors():
        nats = _nats_settings()
        owner = admin_settings.owner_url(settings()) if _given("OWNER_URL") else None
        artifacts = os.environ.get(f"{PREFIX}ARTIFACTS_URL")
        bucket = load(ArtifactSettings, _known(ArtifactSettings)).s3
    if not (owner or nats or artifacts):
        fail("nothing to look at: set VISAPI_OWNER_URL, VISAPI_NATS_URL or VISAPI_ARTIFACTS_URL", code=2)
    found: list[Finding] = []
    if owner:
        found += run(admin.examine_postgres(owner))
        found += run(examine_rings(owner, settings().rings, datetime.now(UTC)))
    if nats:
        access = nats.nats_access("orchestrator")
        found += run(admin.examine_nats(nats.nats_urls, access, nats.stream_replicas))
    if artifacts:
        found.append(run(admin.examine_artifacts(artifacts, bucket)))
    show(found, json=json)
    raise typer.Exit(FAILURE if any(each.level is Level.FAIL for each in found) else 0)


def _nats_settings() -> DoctorSettings | None:
    if not _given("NATS_URL"):
        return None
    return load(DoctorSettings, _known(DoctorSettings))


def _known(kind: type[msgspec.Struct]) -> dict[str, str]:
    """The variables that `kind` reads; other variables are ignored."""
    known = set(names_of(kind))
    return {name: value for name, value in os.environ.items() if name in known}


def _given(name: str) -> bool:
    return any(os.environ.get(f"{PREFIX}{name}{end}") for end in ("", "_FILE"))
