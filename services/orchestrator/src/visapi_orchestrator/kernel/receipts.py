"""Acknowledges the messages of a batch that were consumed, and hands the others back to NATS."""

from collections.abc import Sequence

from visapi_orchestrator.kernel.rules.messages import RunMessages

HAND_BACK_S = 1.0


def acknowledge(batch: Sequence[RunMessages]) -> None:
    for messages in batch:
        for receipt in messages.receipts:
            receipt.ack()


def hand_back(batch: Sequence[RunMessages], delay_s: float = HAND_BACK_S) -> None:
    for messages in batch:
        for receipt in messages.receipts:
            receipt.nak(delay_s)
