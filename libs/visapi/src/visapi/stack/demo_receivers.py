"""The receivers of the demo: stand-ins as processes of the stack, and what they received.

The sample names production addresses; the egress map leads them to the stand-ins.
"""

from pathlib import Path
from typing import Any

import msgspec

from visapi.stack.ports import LOOPBACK, Reservation
from visapi.stack.processes import ProcessSpec
from visapi.stack.standin_process import smtp_url, standin

PARTNER_ORIGIN = "https://partner.example.com"
SLACK_ORIGIN = "https://hooks.slack.com"
WEBHOOK_SECRET = "whsec_dmlzYS1hcHByb3ZhbC1kZW1vLXdlYmhvb2s="  # noqa: S105 (of the sample, public)
"""Also stands in `examples/visa-approval.yaml`."""
WEBHOOK_REFUSALS = 2
"""How often the partner answers 503 first, so that the retry can be seen."""

_USUAL_PORTS = {"mail": 1025, "webhook": 9911, "slack": 9912}


class DemoReceivers:
    """Where the stand-ins keep what they got, below the data directory of the stack."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir.absolute()
        self.mail = self._root / "mail"
        self._webhooks = self._root / "webhooks.jsonl"
        self._slack = self._root / "slack.jsonl"
        self._reservation = Reservation()
        self._ports = self._reservation.choose(_USUAL_PORTS)

    def environment(self) -> dict[str, str]:
        """The settings that lead the services' traffic to the stand-ins."""
        origins = {
            PARTNER_ORIGIN: f"http://{LOOPBACK}:{self._ports['webhook']}",
            SLACK_ORIGIN: f"http://{LOOPBACK}:{self._ports['slack']}",
        }
        return {
            "VISAPI_SMTP_URL": smtp_url(self._ports["mail"]),
            "VISAPI_EGRESS_ORIGINS": msgspec.json.encode(origins).decode(),
        }

    def specs(self) -> list[ProcessSpec]:
        """The stand-ins, to be supervised with the stack."""
        return [
            self._spec("mail", "smtp_sink", "--out", str(self.mail)),
            self._spec(
                "webhook",
                "webhook_receiver",
                *("--out", str(self._webhooks), "--secret", WEBHOOK_SECRET),
                *("--fail-first", str(WEBHOOK_REFUSALS)),
            ),
            self._spec("slack", "slack", "--out", str(self._slack)),
        ]

    def mails(self) -> list[Path]:
        return sorted(self.mail.glob("*.eml"))

    def webhooks(self) -> list[dict[str, Any]]:
        return _records(self._webhooks)

    def slack_messages(self) -> list[dict[str, Any]]:
        return _records(self._slack)

    def _spec(self, name: str, module: str, *options: str) -> ProcessSpec:
        return standin(f"demo-{name}", module, self._ports[name], self._root, *options)


def _records(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines()
    return [msgspec.json.decode(line, type=dict[str, Any]) for line in lines if line]
