"""A name ends with its last character: no line feed hides behind it."""

from typing import Any

import msgspec
import pytest

from visapi_common.contracts.accounts import AccountName
from visapi_common.contracts.endpoints import EndpointName, Pattern
from visapi_common.contracts.hooks import HeaderName, HookName, ValuePlace
from visapi_common.contracts.templates import AssetName, LocaleName, TemplateName
from visapi_common.contracts.tenants import TenantId

NAMES = [
    AccountName,
    AssetName,
    EndpointName,
    HeaderName,
    HookName,
    LocaleName,
    Pattern,
    TemplateName,
    TenantId,
    ValuePlace,
]


@pytest.mark.parametrize("kind", NAMES)
def test_a_line_feed_after_a_name_is_refused(kind: Any) -> None:
    assert msgspec.json.decode(b'"acme"', type=kind) == "acme"
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(rb'"acme\n"', type=kind)
