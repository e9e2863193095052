"""Whoever calls an operation that is to end learns it from each answer."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from kit.servers import NatsServer
from visapi_gateway.kernel.api.deprecation import Deprecation
from visapi_gateway.retention import routes

END = Deprecation(date(2026, 1, 1), "Use another.", "/docs", sunset=date(2027, 1, 1))


async def test_every_answer_of_a_deprecated_operation_tells_its_end(
    serve: Any, shared_nats: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "READ", replace(routes.READ, deprecated=END))
    async with serve(shared_nats) as gateway, gateway.client(None) as nobody:
        read = await gateway.http.get("/v1/retention/demo")
        known = await gateway.http.get("/v1/retention/demo", headers={"If-None-Match": read.headers["etag"]})
        refused = await gateway.http.get("/v1/retention/-")
        unknown = await nobody.get("/v1/retention/demo")
        assert [answer.status_code for answer in (read, known, refused, unknown)] == [200, 304, 400, 401]
        for answer in (read, known, refused, unknown):
            assert answer.headers["deprecation"] == "@1767225600"
            assert answer.headers["sunset"] == "Fri, 01 Jan 2027 00:00:00 GMT"
            assert answer.headers["link"] == '</docs>; rel="deprecation"; type="text/html"'
        other = await gateway.http.get("/v1/retention")
        assert not {"deprecation", "sunset", "link"} & set(other.headers)
        document = (await gateway.http.get("/openapi.json")).json()
        assert document["paths"]["/v1/retention/{namespace}"]["get"]["deprecated"] is True
