"""Operations that read what lies behind a run: its definition, its files, the functions it may call. Pure."""

from visapi.client.call import Call
from visapi.client.call import path_part as _part
from visapi_common.contracts.gateway_bodies import Capabilities, FunctionPage


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


def list_functions() -> Call[FunctionPage]:
    """The functions that a workflow of the key's tenant may call."""
    return Call(method="GET", path="/v1/functions", answer=FunctionPage, repeatable=True)


def read_capabilities() -> Call[Capabilities]:
    """The version of the installation, and what it can do."""
    return Call(method="GET", path="/v1/capabilities", answer=Capabilities, repeatable=True)
