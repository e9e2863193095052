"""The gateway has the notifier try an account, tells what came of it, and keeps who asked."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kit.servers import NatsServer
from kit.verifying_notifier import VerifyingNotifier, verifying_notifier
from visapi_common.contracts.accounts import AccountTried, NotTried, TriedVersion

PATH = "/v1/accounts/mail"
SETTINGS = {"host": "mail.acme.example", "from": "Acme <no-reply@acme.example>"}
CREDENTIALS = {"username": "acme", "password": "first-password"}


@pytest.fixture
async def notifier(shared_nats: NatsServer) -> AsyncIterator[VerifyingNotifier]:
    async with verifying_notifier(shared_nats) as standing:
        yield standing


async def put(gateway: Any) -> None:
    body = {"kind": "smtp", "settings": SETTINGS, "credentials": CREDENTIALS}
    assert (await gateway.http.put(PATH, json=body)).status_code == 201


async def audited(gateway: Any) -> list[dict[str, Any]]:
    page = (await gateway.http.get("/v1/audit", params={"action": "account.verify"})).json()
    return [{"target": item["target"], **item["details"]} for item in page["items"]]


async def test_what_the_provider_said_of_each_version_is_told_and_audited(
    gateway: Any, notifier: VerifyingNotifier
) -> None:
    await put(gateway)
    notifier.answer = AccountTried(
        [
            TriedVersion(2, "current", "refused", "535 no", 12),
            TriedVersion(1, "overlapping", "accepted", "the mail relay accepted the password", 10),
        ]
    )
    answer = await gateway.http.post(f"{PATH}/verify")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["account"], told["kind"], told["verified"]) == ("mail", "smtp", False)
    assert [(one["version"], one["outcome"]) for one in told["versions"]] == [(2, "refused"), (1, "accepted")]
    assert [(one.tenant, one.account) for one in notifier.asked] == [("default", "mail")]
    outcomes = {"2": "refused", "1": "accepted"}
    assert await audited(gateway) == [{"target": "account:mail", "outcomes": outcomes}]
    notifier.answer = AccountTried([TriedVersion(2, "current", "accepted", "fine", 9)])
    assert (await gateway.http.post(f"{PATH}/verify")).json()["verified"] is True
    assert (await gateway.http.get(PATH)).json()["links"]["verify"] == f"{PATH}/verify"


async def test_too_many_at_once_are_refused_with_the_time_to_wait(
    gateway: Any, notifier: VerifyingNotifier
) -> None:
    await put(gateway)
    notifier.answer = AccountTried([], retry_after_s=7.4, not_tried="tenant_busy")
    answer = await gateway.http.post(f"{PATH}/verify")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_open")
    assert answer.headers["retry-after"] == "7"
    assert "this tenant" in answer.json()["detail"]
    assert await audited(gateway) == [], "a refusal is not audited"


async def test_a_notifier_that_is_full_or_cannot_read_the_account_is_told_and_no_tenant_is_blamed(
    gateway: Any, notifier: VerifyingNotifier
) -> None:
    await put(gateway)
    refusals: list[tuple[NotTried, str]] = [("notifier_busy", "of all tenants"), ("failed", "could not try")]
    for why, said in refusals:
        notifier.answer = AccountTried([], retry_after_s=3.0, not_tried=why)
        answer = await gateway.http.post(f"{PATH}/verify")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert said in answer.json()["detail"]
        assert answer.headers["retry-after"] == "3"
    assert await audited(gateway) == []


async def test_without_a_notifier_the_outcome_is_not_known_and_that_is_said(gateway: Any) -> None:
    await put(gateway)
    answer = await gateway.http.post(f"{PATH}/verify")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "nothing was sent" in answer.json()["detail"]
    assert await audited(gateway) == [], "a refusal is not audited"


async def test_an_account_that_is_not_there_or_of_another_tenant_is_not_tried(
    gateway: Any, notifier: VerifyingNotifier
) -> None:
    await put(gateway)
    other = gateway.client(await gateway.key(tenant="other"))

    async def known() -> bool:
        return (await other.get("/v1/keys/current")).status_code == 200

    await gateway.until(known)
    for client, path in ((other, PATH), (gateway.http, "/v1/accounts/none")):
        answer = await client.post(f"{path}/verify")
        assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")
    assert notifier.asked == []
    await other.aclose()


async def test_a_key_that_may_only_read_accounts_tries_none(
    gateway: Any, notifier: VerifyingNotifier
) -> None:
    await put(gateway)
    reader = gateway.client(await gateway.key(scopes=("accounts:read",)))

    async def known() -> bool:
        return (await reader.get(PATH)).status_code == 200

    await gateway.until(known)
    answer = await reader.post(f"{PATH}/verify")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert notifier.asked == []
    await reader.aclose()
