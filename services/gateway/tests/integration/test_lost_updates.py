"""A change that states what it changes is made only there: nobody overwrites what they have not seen."""

import asyncio
from typing import Any

HERE = "/v1/retention/demo"


async def set_days(gateway: Any, days: int, tag: str | None) -> Any:
    return await gateway.http.put(HERE, json={"days": days}, headers={} if tag is None else {"If-Match": tag})


async def test_the_second_of_two_who_read_the_same_is_refused(gateway: Any) -> None:
    read = await gateway.http.get(HERE)
    first = await set_days(gateway, 7, read.headers["etag"])
    assert first.status_code == 200
    second = await set_days(gateway, 14, read.headers["etag"])
    assert (second.status_code, second.json()["code"]) == (412, "precondition_failed")
    now = await gateway.http.get(HERE)
    assert (now.json()["days"], now.headers["etag"]) == (7, first.headers["etag"])
    assert (await set_days(gateway, 14, now.headers["etag"])).json()["days"] == 14
    audited = (await gateway.http.get("/v1/audit", params={"action": "retention.set"})).json()["items"]
    assert [row["details"] for row in audited] == [{"days": 14}, {"days": 7}]


async def test_of_many_at_the_same_time_one_is_made(gateway: Any) -> None:
    for _ in range(5):
        tag = (await gateway.http.get(HERE)).headers["etag"]
        answers = await asyncio.gather(*(set_days(gateway, days, tag) for days in (1, 7, 14, 60, 90, 365)))
        made = [answer for answer in answers if answer.status_code == 200]
        assert [answer.status_code for answer in answers].count(412) == 5
        assert (await gateway.http.get(HERE)).json() == made[0].json()


async def test_a_policy_that_somebody_changed_is_not_removed(gateway: Any) -> None:
    made = await set_days(gateway, 7, None)
    await set_days(gateway, 14, None)
    stale = await gateway.http.delete(HERE, headers={"If-Match": made.headers["etag"]})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert (await gateway.http.get(HERE)).json()["days"] == 14
    assert (await gateway.http.delete(HERE, headers={"If-Match": "*"})).status_code == 204


async def test_a_weak_tag_is_no_proof(gateway: Any) -> None:
    tag = (await gateway.http.get(HERE)).headers["etag"]
    assert (await set_days(gateway, 7, f"W/{tag}")).status_code == 412


async def test_the_tag_of_another_tenant_changes_nothing(gateway: Any) -> None:
    other = gateway.client(await gateway.key(tenant="other"))

    async def known() -> bool:
        return (await other.get("/v1/keys/current")).status_code == 200

    await gateway.until(known)
    tag = (await set_days(gateway, 7, None)).headers["etag"]
    refused = await other.put(HERE, json={"days": 1}, headers={"If-Match": tag})
    assert refused.status_code == 412
    assert (await gateway.http.get(HERE)).json()["days"] == 7
    await other.aclose()
