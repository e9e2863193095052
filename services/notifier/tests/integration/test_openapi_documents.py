"""OpenAPI documents in the notifier's own bounded processes, with the user and the limits that they really have."""

from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from visapi_common.core.errors import ProblemError
from visapi_common.telemetry.catalogue import Metrics
from visapi_notifier.channels.openapi.bounded import BoundedDocuments
from visapi_notifier.channels.openapi.rules import OpenApiInput, openapi_call
from visapi_notifier.opening import open_programs

URL = "https://pets.example/openapi"


@pytest.fixture
async def documents() -> AsyncIterator[BoundedDocuments]:
    processes = open_programs(Metrics(CollectorRegistry()))
    yield BoundedDocuments(processes)
    await processes.close()


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf{"openapi": "3.0.3", "paths": {"/pets": {"get": {"operationId": "getPets"}}}}',
        b"openapi: 3.0.3\npaths: {/pets: {get: {operationId: getPets}}}\n",
    ],
)
async def test_a_document_is_read_and_a_call_is_planned(documents: BoundedDocuments, body: bytes) -> None:
    document = await documents.read("a", body)
    call = await documents.plan("a", document, openapi_call(OpenApiInput(URL, "getPets")), URL)
    assert (call.outbound.method, call.outbound.url) == ("GET", "https://pets.example/pets")
    with pytest.raises(ProblemError, match="did you mean getPets"):
        await documents.plan("a", document, openapi_call(OpenApiInput(URL, "getPet")), URL)


@pytest.mark.parametrize("body", [b"\xff", b"{", b"[]", b"a: ["])
async def test_what_is_no_document_is_refused(documents: BoundedDocuments, body: bytes) -> None:
    with pytest.raises(ProblemError):
        await documents.read("a", body)
