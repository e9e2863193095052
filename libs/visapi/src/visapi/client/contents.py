"""Operations on what lies behind a run: its definition, its files, the functions it may call. Pure."""

from typing import Any

import msgspec

from visapi.client.call import JSON, Call
from visapi.client.call import path_part as _part
from visapi_common.contracts.gateway_bodies import ArtifactLink, Capabilities, FunctionPage, NewLink


def get_source(namespace: str, name: str, version: str) -> Call[bytes]:
    """The definition of a version as its author wrote it."""
    return Call(
        method="GET",
        path=f"/v1/workflows/{_part(namespace)}/{_part(name)}/versions/{_part(version)}",
        answer=bytes,
        headers={"Accept": "application/yaml"},
        repeatable=True,
    )


def get_artifact(artifact: str) -> Call[bytes]:
    """The file itself; its id is `<sha256>.<extension>`."""
    return Call(method="GET", path=f"/v1/artifacts/{_part(artifact)}", answer=bytes, repeatable=True)


def remove_artifact(artifact: str) -> Call[Any]:
    """Remove a file; links to it end."""
    return Call(method="DELETE", path=f"/v1/artifacts/{_part(artifact)}", answer=Any)


def link_artifact(artifact: str, expires_in_s: int = 3600) -> Call[ArtifactLink]:
    """A link to a file that works without a key, for 1 second to 7 days."""
    return Call(
        method="POST",
        path=f"/v1/artifacts/{_part(artifact)}/links",
        answer=ArtifactLink,
        headers={"Content-Type": JSON},
        body=msgspec.json.encode(NewLink(expires_in_s)),
        repeatable=True,
    )


def list_functions() -> Call[FunctionPage]:
    """The functions that a workflow of the key's tenant may call."""
    return Call(method="GET", path="/v1/functions", answer=FunctionPage, repeatable=True)


def read_capabilities() -> Call[Capabilities]:
    """The version of the installation, and what it can do."""
    return Call(method="GET", path="/v1/capabilities", answer=Capabilities, repeatable=True)
