"""The client's verification of webhooks, beside the reference library of Standard Webhooks."""

import base64
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook as Oracle

from visapi.client import WebhookError, verify
from visapi.client.webhooks import sign

SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
OTHER = "whsec_" + base64.b64encode(b"o" * 24).decode()
BODY = b'{"type": "run.completed", "timestamp": "2026-11-24T12:00:00Z", "data": {"run": "\xc3\xa9"}}'
NOW = 1_790_000_000


def headers(secret: str = SECRET, moment: int = NOW) -> dict[str, str]:
    signature = Oracle(secret).sign("m1", datetime.fromtimestamp(moment, UTC), BODY.decode())
    return {"Webhook-Id": "m1", "Webhook-Timestamp": str(moment), "Webhook-Signature": signature}


def test_a_webhook_that_the_reference_signed_is_verified_and_the_other_way_round():
    told = verify(BODY, headers(), [OTHER, SECRET], now=NOW)
    assert (told.id, told.type, told.data) == ("m1", "run.completed", {"run": "é"})
    assert sign(BODY, "m1", NOW, SECRET) == headers()["Webhook-Signature"]


def test_one_of_several_signatures_is_enough():
    both = {**headers(), "Webhook-Signature": f"v1,AAAA v1a,x {sign(BODY, 'm1', NOW, SECRET)}"}
    assert verify(BODY, both, [SECRET], now=NOW).id == "m1"


@pytest.mark.parametrize(
    ("given", "body", "now"),
    [
        (headers(OTHER), BODY, NOW),
        (headers(), BODY + b" ", NOW),
        (headers(), BODY, NOW + 301),
        (headers(), BODY, NOW - 301),
        ({**headers(), "Webhook-Id": "m2"}, BODY, NOW),
        ({**headers(), "Webhook-Timestamp": "²"}, BODY, NOW),
        ({**headers(), "Webhook-Signature": "v1,\udcff é"}, BODY, NOW),
        ({}, BODY, NOW),
    ],
)
def test_what_is_not_genuine_is_refused(given: dict[str, str], body: bytes, now: float):
    with pytest.raises(WebhookError):
        verify(body, given, [SECRET], now=now)
