"""Paths and methods are decided before anything else looks at a request."""

import pytest

from visapi_common.core.errors import ProblemError
from visapi_gateway.kernel.asgi.paths import Paths

RUN = "01890a5d-ac96-774b-bcce-b302099a8057"
PATHS = Paths(
    [
        ("GET", "/v1/runs"),
        ("GET", "/v1/runs/{run:uuid}"),
        ("POST", "/v1/runs/bulk"),
        ("POST", "/v1/workflows/{namespace:str}/{name:str}/runs"),
        ("GET", "/v1/workflows/{namespace:str}/{name:str}"),
        ("GET", "/v1/keys/current"),
        ("DELETE", "/v1/keys/{key:str}"),
    ]
)


def _status(method: str, path: str, raw: str | None = None) -> int:
    try:
        PATHS.check(method, path, (raw or path).encode())
    except ProblemError as problem:
        return problem.status
    return 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/runs", 200),
        ("GET", "/v1/keys/current", 200),
        ("DELETE", "/v1/keys/current", 405),
        ("DELETE", "/v1/keys/another", 200),
        ("HEAD", "/v1/runs", 200),
        ("GET", f"/v1/runs/{RUN}", 200),
        ("POST", "/v1/runs/bulk", 200),
        ("POST", "/v1/workflows/a/b/runs", 200),
        ("GET", "/v1/runs/bulk", 405),
        ("POST", f"/v1/runs/{RUN}", 405),
        ("DELETE", "/v1/runs", 405),
        ("BREW", "/v1/runs", 405),
        ("GET", "/v1/runs/", 404),
        ("GET", "/v1/runs\n", 404),
        ("GET", f"/v1/runs/{RUN}0", 404),
        ("GET", "/v1/workflows/../b", 404),
        ("GET", "/v1/workflows//b", 404),
        ("GET", "/v1/nothing", 404),
    ],
)
def test_a_path_is_taken_with_the_methods_it_has(method: str, path: str, status: int) -> None:
    assert _status(method, path) == status


def test_an_encoded_slash_is_no_path_whatever_it_decodes_to() -> None:
    assert _status("GET", "/v1/workflows/a/b", "/v1/workflows/a%2Fb") == 404
    assert _status("GET", "/v1/workflows/a/b", "/v1/workflows/%61/b") == 200


def test_options_tells_all_methods_of_a_path() -> None:
    assert PATHS.check("OPTIONS", "/v1/runs", b"/v1/runs") == ("GET", "HEAD", "OPTIONS")
    assert PATHS.check("OPTIONS", "/v1/runs/bulk", b"/v1/runs/bulk") == ("OPTIONS", "POST")
