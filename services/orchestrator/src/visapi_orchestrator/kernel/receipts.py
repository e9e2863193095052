"""What becomes of the messages of a batch: acknowledged when consumed, else handed back."""

from collections.abc import Sequence

from visapi_orchestrator.kernel.rules.messages import Said

HAND_BACK_S = 1.0


def acknowledge(batch: Sequence[Said]) -> None:
    for said in batch:
        for receipt in said.receipts:
            receipt.ack()


def hand_back(batch: Sequence[Said], delay_s: float = HAND_BACK_S) -> None:
    for said in batch:
        for receipt in said.receipts:
            receipt.nak(delay_s)
