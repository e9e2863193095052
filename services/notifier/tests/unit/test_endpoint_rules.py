"""Webhooks to endpoints: when they are tried again, how they are signed, and who gets the slots."""

from collections import Counter
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from visapi_common.core.outbound import Inbound
from visapi_notifier.endpoints.rules import (
    AFTER_S,
    ClaimedMessage,
    DueEndpoint,
    after_failure,
    after_response,
    request_of,
)
from visapi_notifier.endpoints.shares import ENDPOINT_SLOTS, SLOTS, TENANT_SLOTS, places

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "QUJD" * 8]


def message(*, left: int = 9, secrets: list[str] | None = SECRETS) -> ClaimedMessage:
    return ClaimedMessage(
        tenant="t",
        endpoint=uuid4(),
        id=uuid4(),
        number=10 - left,
        left=left,
        type="run.completed",
        at=NOW,
        data='{"text":"ü"}'.encode(),
        size=13,
        url="https://example.com/",
        secrets=secrets,
    )


def inbound(status: int, *headers: tuple[str, str], body: bytes = b"") -> Inbound:
    return Inbound(status, headers, body, "https://example.com/")


def test_ten_attempts_take_three_days():
    waits = [after_failure(message(left=left), "away", draw=0.0).again_s for left in range(9, -1, -1)]
    assert waits == [*AFTER_S, None]
    assert 3 * 86_400 < sum(AFTER_S) == 75 * 3600 + 35 * 60 + 5
    assert all(wait <= after <= wait * 1.1 for wait, after in zip(AFTER_S, _late(), strict=True))


def _late() -> list[float]:
    found = [after_failure(message(left=left), "away", draw=1.0).again_s for left in range(9, 0, -1)]
    return [wait for wait in found if wait is not None]


@pytest.mark.parametrize(
    ("status", "header", "outcome", "again_s"),
    [
        (200, None, "delivered", None),
        (204, None, "delivered", None),
        (302, None, "refused", 5.0),
        (400, None, "refused", 5.0),
        (410, None, "refused", None),
        (429, "60", "refused", 60.0),
        (503, "Sun, 01 Mar 2026 00:10:00 GMT", "refused", 600.0),
        (503, "99999999", "refused", 86_400.0),
        (503, "1", "refused", 5.0),
        (503, "soon", "refused", 5.0),
    ],
)
def test_what_a_response_means(status: int, header: str | None, outcome: str, again_s: float | None):
    headers = [] if header is None else [("Retry-After", header)]
    attempt = after_response(message(), inbound(status, *headers, body=b"x" * 5_000), now=NOW, draw=0.0)
    assert (attempt.outcome, attempt.again_s, attempt.status) == (outcome, again_s, status)
    assert attempt.gone == (status == 410)
    assert attempt.response == b"x" * 1024


def test_what_is_secret_or_personal_in_a_response_or_an_error_is_not_logged():
    body = b'{"token": "abcdefgh12345678", "to": "ada@example.com", "said": "no"}'
    shown = after_response(message(), inbound(500, body=body), now=NOW, draw=0.0).response
    assert shown is not None
    assert b"said" in shown
    failed = after_failure(message(), "GET https://example.com/?token=abcdefgh12345678 failed", draw=0.0)
    for text in (shown.decode(), failed.error or ""):
        assert "abcdefgh12345678" not in text
        assert "ada@" not in text


def test_each_valid_secret_signs_and_a_stranger_s_does_not():
    one = message()
    at = datetime.now(UTC)
    request = request_of(one, at)
    assert request.body is not None
    for secret in SECRETS:
        told = Webhook(secret).verify(request.body.decode(), dict(request.headers))
        assert told == {"type": "run.completed", "timestamp": "2026-03-01T00:00:00Z", "data": {"text": "ü"}}
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "eHh4" * 8).verify(request.body.decode(), dict(request.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRETS[0]).verify(request.body.decode() + " ", dict(request.headers))
    assert (request.redirects, dict(request.headers)["webhook-id"]) == (0, str(one.id))


def due(tenant: str, number: int, *, ordered: bool = False, failing: bool = False) -> list[DueEndpoint]:
    return [DueEndpoint(tenant, UUID(int=hash((tenant, n)) % 2**64), ordered, failing) for n in range(number)]


def poor(of: list[DueEndpoint]) -> frozenset[UUID]:
    return frozenset(one.endpoint for one in of if one.failing)


def test_endpoints_that_fail_leave_slots_to_those_that_answer():
    """Of one tenant and of all: whatever fails, half of the slots are free."""
    failing = [one for tenant in "abcdefgh" for one in due(tenant, 100, failing=True)]
    taken = places(failing, [], poor(failing))
    assert sum(place.most for place in taken) == SLOTS // 2
    assert all(place.most == 1 for place in taken)
    assert max(Counter(place.tenant for place in taken).values()) <= TENANT_SLOTS // 2
    busy = [(place.tenant, place.endpoint) for place in taken]
    fine = due("z", 1)
    assert [place.most for place in places(failing + fine, busy, poor(failing))] == [ENDPOINT_SLOTS]
    beside = due("own", 40, failing=True)
    theirs = places(beside, [], poor(beside))
    assert len(theirs) == TENANT_SLOTS // 2
    own = [DueEndpoint("own", uuid4(), False, False)]
    busy = [(place.tenant, place.endpoint) for place in theirs]
    assert [place.endpoint for place in places(beside + own, busy, poor(beside))] == [own[0].endpoint]


@given(st.data())
def test_no_share_is_exceeded_and_no_tenant_with_room_goes_without(data: st.DataObject):
    tenants = data.draw(st.integers(1, 12))
    asked = [
        one
        for tenant in range(tenants)
        for one in due(
            f"t{tenant}",
            data.draw(st.integers(1, 40)),
            ordered=data.draw(st.booleans()),
            failing=data.draw(st.booleans()),
        )
    ]
    busy = data.draw(st.lists(st.sampled_from([(one.tenant, one.endpoint) for one in asked]), max_size=40))
    given_ = places(asked, busy, poor(asked))
    use = Counter(tenant for tenant, _ in busy)
    for place in given_:
        use[place.tenant] += place.most
        most = 1 if place.ordered or place.endpoint in poor(asked) else ENDPOINT_SLOTS
        assert place.most + sum(endpoint == place.endpoint for _, endpoint in busy) <= max(most, place.most)
        assert place.most <= most
    assert len(busy) + sum(place.most for place in given_) <= max(SLOTS, len(busy))
    assert all(
        use[place.tenant] <= max(TENANT_SLOTS, Counter(one for one, _ in busy)[place.tenant])
        for place in given_
    )
    idle = {one.tenant for one in asked if not one.failing} - {tenant for tenant, _ in busy}
    if sum(use.values()) < SLOTS:
        assert idle <= {place.tenant for place in given_}
