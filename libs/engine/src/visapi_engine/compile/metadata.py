"""`metadata` of a task: an open object, except for the settings in `metadata.visapi`."""

from typing import Any, cast

from visapi_engine.checks.shapes import as_choice, as_object, check_keys
from visapi_engine.compile.build import Build, Place
from visapi_engine.model.catalog import APPROVE

UNCERTAIN = ("hold", "retry")
ON_RETRY = ("repeat", "remember")
_SETTINGS = ("onUncertain", "onRetry")


def read_metadata(build: Build, place: Place, body: dict[str, Any]) -> dict[str, Any]:
    """The metadata as written; reports mistakes in `visapi`."""
    if "metadata" not in body:
        return {}
    given = as_object(build.findings, body["metadata"], place.at("metadata"), "`metadata`")
    if given is None:
        return {}
    settings = given.get("visapi", {})
    settings = as_object(build.findings, settings, place.at("metadata", "visapi"), "`metadata.visapi`") or {}
    check_keys(build.findings, settings, place.at("metadata", "visapi"), _SETTINGS)
    for holder, path in ((given, ("metadata",)), (settings, ("metadata", "visapi"))):
        if "onUncertain" in holder:
            at = place.at(*path, "onUncertain")
            as_choice(build.findings, holder["onUncertain"], at, "`onUncertain`", UNCERTAIN)
    if "onRetry" in settings:
        _check_on_retry(build, place, body, settings["onRetry"])
    elif "onRetry" in given:
        at = place.at("metadata", "onRetry")
        build.findings.warn(at, "this says nothing to VisAPI; write `metadata.visapi.onRetry`")
    return given


def _check_on_retry(build: Build, place: Place, body: dict[str, Any], value: Any) -> None:
    at = place.at("metadata", "visapi", "onRetry")
    as_choice(build.findings, value, at, "`onRetry`", ON_RETRY)
    asked = body.get("call")
    if isinstance(asked, str) and asked.partition(":")[0] == APPROVE:
        detail = "a decision of people is always remembered; `onRetry` has nothing to say about it"
        build.findings.error(at, detail)
    elif build.keyword_of(body) not in ("call", "run"):
        detail = "`onRetry` belongs to a `call` or a `run`: other tasks are done again in any case"
        build.findings.error(at, detail)


def on_uncertain(metadata: dict[str, Any]) -> str | None:
    """The setting `onUncertain` of a task's metadata, if any."""
    given = _setting(metadata, "onUncertain") or metadata.get("onUncertain")
    return given if given in UNCERTAIN else None


def on_retry(metadata: dict[str, Any]) -> str | None:
    """The setting `onRetry` of a task's metadata, if any."""
    given = _setting(metadata, "onRetry")
    return given if given in ON_RETRY else None


def _setting(metadata: dict[str, Any], name: str) -> Any:
    settings = metadata.get("visapi")
    return cast("dict[str, Any]", settings).get(name) if isinstance(settings, dict) else None
