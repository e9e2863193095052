"""A disabled tenant: its keys are refused with a problem of their own, and accepted again."""

from datetime import timedelta
from typing import Any

import httpx

from kit.ledger_rows import move_back
from kit.tenants import disable, enable


async def test_every_request_is_refused_until_the_tenant_is_enabled_again(gateway: Any) -> None:
    key = await gateway.key("acme")
    async with gateway.client(key) as acme:

        async def answers(status: int) -> httpx.Response | None:
            answer = await acme.get("/v1/keys/current")
            return answer if answer.status_code == status else None

        await changed(gateway)
        await gateway.until(lambda: answers(200))
        await disable(gateway.db, "acme")
        await move_back(gateway.db, "tenants", timedelta(hours=2), "disabled_at", id="acme")
        await changed(gateway)
        problem = (await gateway.until(lambda: answers(403))).json()
        assert (problem["code"], problem["title"]) == ("tenant_disabled", "The tenant is disabled")
        assert "the tenant acme is disabled" in problem["detail"]
        started = await acme.post("/v1/workflows/demo/hello/runs", json={"name": "x"})
        posted = await acme.post(
            "/v1/events", json={"specversion": "1.0", "id": "1", "source": "/s", "type": "t"},
            headers={"Content-Type": "application/cloudevents+json"},
        )  # fmt: skip
        assert [started.status_code, posted.status_code] == [403, 403]
        assert await gateway.db.fetchval("select count(*) from visapi.runs where tenant = 'acme'") == 0
        assert (await gateway.http.get("/v1/runs")).status_code == 200, "other tenants notice nothing"

        await enable(gateway.db, "acme")
        await changed(gateway)
        await gateway.until(lambda: answers(200))


async def changed(gateway: Any) -> None:
    """Keys are read anew when one is made, and else every 5 s."""
    made = await gateway.http.post("/v1/keys", json={"name": "another", "scopes": ["runs:read"]})
    assert made.status_code == 201
