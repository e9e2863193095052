"""Jobs that read and mask large responses in bounded processes.

The server chooses size and shape, and masking a few secrets in 10 MiB takes seconds.
"""

import gc
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from visapi_common.contracts.foreign import OUTPUT_DEPTH_MAX, deeper_than
from visapi_common.contracts.payloads import Encoded
from visapi_common.contracts.problems import WorkflowError
from visapi_common.core.outbound import Inbound, Outbound
from visapi_notifier.channels.http.rules import HttpInput, answer_wanted, read_response
from visapi_notifier.outbound.rules.masking import Hidden, Mask, mask_of
from visapi_notifier.outbound.rules.reading import (
    Reading,
    Refused,
    Sent,
    Unclear,
    communication,
    hidden_error,
)

PLAIN_MAX_BYTES = 64 * 1024
"""Of an answer that is read in the event loop: decoding it takes below 5 ms."""
MASKED_MAX_BYTES = 8 * 1024
"""Of one in which secrets are looked for: with 10 of them it takes below 10 ms. Taking one out that is found
takes 20 ms more for its pattern, so such an answer is never read in the event loop.
"""


class ReadRequest(msgspec.Struct, frozen=True):
    """An answer, and all that its reading depends on."""

    wanted: HttpInput
    outbound: Outbound
    inbound: Inbound
    now: datetime
    hidden: Hidden


class Output(msgspec.Struct, frozen=True, tag="output"):
    json: bytes


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    error: WorkflowError
    retry_after_s: float | None = None


class Unknown(msgspec.Struct, frozen=True, tag="unknown"):
    detail: str


_encode = msgspec.msgpack.Encoder().encode
_Told = Output | Failed | Unknown
_read_question = msgspec.msgpack.Decoder(ReadRequest).decode
_read_outcome = msgspec.msgpack.Decoder[_Told](_Told).decode


def is_large(inbound: Inbound, mask: Mask) -> bool:
    """Whether reading the response would block the event loop, because of its size or of secrets in it."""
    size = len(inbound.body) + sum(len(name) + len(value) for name, value in inbound.headers)
    if not mask.used:
        return size > PLAIN_MAX_BYTES
    return size > MASKED_MAX_BYTES or mask.finds_in(inbound.body.decode("latin-1"))


def encode_question(
    wanted: HttpInput, outbound: Outbound, inbound: Inbound, *, now: datetime, mask: Mask
) -> bytes:
    """What `read_answer` takes; the request without its body and credentials of its endpoint."""
    request = replace(outbound, body=None, certificate=None)
    return _encode(ReadRequest(answer_wanted(wanted), request, inbound, now, mask.hidden_values))


def read_outcome(result: bytes) -> Reading:
    """What `read_answer` gave; no secret is left in it."""
    outcome = _read_outcome(result)
    if isinstance(outcome, Output):
        return Sent(Encoded(outcome.json), hidden=True)
    if isinstance(outcome, Failed):
        return Refused(outcome.error, outcome.retry_after_s, hidden=True)
    return Unclear(outcome.detail)


def read_answer(payload: bytes) -> bytes:
    """A job: a `ReadRequest`; the reading."""
    gc.disable()  # the process ends with the job; a collection would traverse millions of containers
    asked = _read_question(payload)
    mask = mask_of(asked.hidden)
    reading = read_response(asked.wanted, asked.outbound, asked.inbound, now=asked.now, mask=mask)
    match reading:
        case Sent(output):
            json = msgspec.json.encode(mask.hide(output))
            if deeper_than(json, OUTPUT_DEPTH_MAX):
                return _encode(Failed(_too_deep()))
            return _encode(Output(json))
        case Refused(error, retry_after_s):
            return _encode(Failed(hidden_error(error, mask), retry_after_s))
        case Unclear(detail):
            return _encode(Unknown(mask.hide(detail)))


def _too_deep() -> WorkflowError:
    detail = f"the response is nested deeper than {OUTPUT_DEPTH_MAX} levels; ask for it as raw"
    return communication(502, "Unusable response", detail)


def warm_up() -> None:
    """Import and build everything that the first job needs, because a job may open few files."""
    mask = Mask()
    mask.add(["warm-up-secret-é"])
    wanted = HttpInput("get", "", output="response")
    outbound = Outbound("GET", "http://a.example/")
    for kind, body in (
        ("application/json", b'["warm-up-secret-\xc3\xa9 &amp; %41 \\u0041 =41"]'),
        ("text/plain; charset=latin-1", b"=?utf-8?q?a?= \xe9"),
        ("text/plain", b"\xff\xfe"),
        ("application/json", b"{"),
    ):
        inbound = Inbound(200, [("content-type", kind)], body, outbound.url)
        question = encode_question(wanted, outbound, inbound, now=datetime(2026, 1, 1, tzinfo=UTC), mask=mask)
        read_outcome(read_answer(question))
    gc.enable()
