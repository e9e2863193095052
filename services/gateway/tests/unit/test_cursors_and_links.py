"""What callers carry for us cannot be made or changed by them."""

import pytest

from visapi_common.core.errors import ProblemError
from visapi_common.core.keyrings import Keyring
from visapi_gateway.artifacts.rules import link_holds, sign_link
from visapi_gateway.kernel.api.cursors import open_cursor, seal_cursor

SECRET = b"s" * 32
KEYS = Keyring.of(SECRET)


def test_a_cursor_opens_only_for_its_own_list() -> None:
    cursor = seal_cursor(SECRET, "default /v1/runs {}", "01a2")
    assert open_cursor(KEYS, "default /v1/runs {}", cursor) == "01a2"
    for listing, given in (
        ("other /v1/runs {}", cursor),
        ("default /v1/keys {}", cursor),
        ("default /v1/runs {}", cursor[:-1]),
        ("default /v1/runs {}", "é"),
        ("default /v1/runs {}", ""),
    ):
        with pytest.raises(ProblemError):
            open_cursor(KEYS, listing, given)


def test_a_link_holds_for_one_artifact_of_one_tenant_until_it_ends() -> None:
    signature = sign_link(SECRET, "default", "a.pdf", 100)
    assert link_holds(KEYS, "default", "a.pdf", 100, signature=signature, now=99.9)
    assert not link_holds(KEYS, "default", "a.pdf", 100, signature=signature, now=100)
    assert not link_holds(KEYS, "other", "a.pdf", 100, signature=signature, now=0)
    assert not link_holds(KEYS, "default", "b.pdf", 100, signature=signature, now=0)
    assert not link_holds(KEYS, "default", "a.pdf", 101, signature=signature, now=0)
    assert not link_holds(Keyring.of(b"t" * 32), "default", "a.pdf", 100, signature=signature, now=0)
