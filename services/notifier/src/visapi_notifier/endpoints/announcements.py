"""Announces the dead letters of webhooks on the stream `DLQ`; the rows are the truth."""

from collections.abc import Callable

import msgspec

from visapi_common.contracts import subjects
from visapi_common.contracts.task_messages import DeadLetter
from visapi_notifier.endpoints.rules import WEBHOOK_FAILED, GivenUp

_SERVICE = "notifier"
_encode = msgspec.json.Encoder().encode


class Announcements:
    """`publish` may lose a message."""

    def __init__(self, publish: Callable[[str, bytes], object]) -> None:
        self._publish = publish

    def __call__(self, given_up: GivenUp) -> None:
        detail = f"see dead letter {given_up.letter}"
        body = DeadLetter(service=_SERVICE, reason=WEBHOOK_FAILED, detail=detail, tenant=given_up.tenant)
        self._publish(subjects.dead_letter(_SERVICE, WEBHOOK_FAILED), _encode(body))
