"""Deploys the sample, starts it, follows it to its end, checks what arrived, tells it all."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from visapi.client import AsyncClient, operations
from visapi.demo.arrivals import Finding, check_mail, check_slack, check_webhook
from visapi.demo.display import Display, duration, remark
from visapi.stack.demo_receivers import DemoReceivers
from visapi_common.contracts.runs import ArtifactRef, RunStatus, RunView


class Sample(msgspec.Struct, frozen=True):
    """What is deployed and started."""

    definition: Path
    input: Path


class _Outcome(msgspec.Struct):
    certificate: ArtifactRef


class Scenario:
    """One run of the demo against a running stack."""

    def __init__(
        self, out: Console, client: AsyncClient, world: DemoReceivers, *, gateway: str, artifacts: Path
    ) -> None:
        self._out = out
        self._client = client
        self._world = world
        self._gateway = gateway
        self._artifacts = artifacts

    async def play(self, sample: Sample) -> bool:
        """Whether everything arrived."""
        mails, slack = set(self._world.mails()), len(self._world.slack_messages())
        workflow = await self._client.send(operations.deploy(sample.definition.read_bytes(), operations.YAML))
        self._say(f"deployed {workflow.namespace}/{workflow.name} version {workflow.version}")
        started = await self._client.send(
            operations.start_run(workflow.namespace, workflow.name, sample.input.read_bytes())
        )
        self._say(f"started run {started.id}")
        self._out.print()
        display = await self._follow(str(started.id))
        run = await self._client.send(operations.get_run(str(started.id)))
        request = msgspec.json.decode(sample.input.read_bytes(), type=dict[str, Any])
        findings = [_completed(run)]
        outcome = _outcome(run)
        if outcome is not None:
            new_mails = [path for path in self._world.mails() if path not in mails]
            findings += [
                check_mail(new_mails, request["applicant"]["email"], outcome.certificate.sha256),
                check_webhook(self._world.webhooks(), str(run.id)),
                check_slack(self._world.slack_messages()[slack:], request["reference"]),
            ]
            self._summary(display, run, outcome, new_mails)
        self._verdict(findings)
        return all(finding.ok for finding in findings)

    async def _follow(self, run: str) -> Display:
        """Show the history as it is committed."""
        with Display(self._out) as display:
            async for item in self._client.follow(run):
                display.take(item)
            return display

    def _summary(self, display: Display, run: RunView, outcome: _Outcome, mails: list[Path]) -> None:
        self._out.print()
        steps = Table.grid(padding=(0, 2, 0, 0))
        now = datetime.now(UTC)
        for step in display.progress.steps():
            steps.add_row(Text("  " * (step.depth + 1) + step.name), duration(step, now), remark(step))
        self._out.print(steps)
        self._out.print()
        artifact = f"{self._gateway}/v1/artifacts/{outcome.certificate.id}"
        self._pair("Certificate", str(next(self._artifacts.rglob(outcome.certificate.id), artifact)))
        for path in mails:
            self._pair("Mail", str(path))
        self._pair("Run", f"{self._gateway}/v1/runs/{run.id}")
        if run.started_at and run.ended_at:
            self._pair(
                "Took", f"{(run.ended_at - run.created_at).total_seconds():.2f} s from the trigger to the end"
            )

    def _verdict(self, findings: list[Finding]) -> None:
        self._out.print()
        for finding in findings:
            mark = ("✓ ", "green") if finding.ok else ("✗ ", "bold red")
            self._out.print(Text.assemble(mark, finding.what, ": ", finding.detail))

    def _pair(self, name: str, value: str) -> None:
        self._out.print(Text.assemble((f"  {name:<13}", "dim"), value))

    def _say(self, text: str) -> None:
        self._out.print(Text.assemble(("✓ ", "green"), text))


def _completed(run: RunView) -> Finding:
    if run.status is RunStatus.COMPLETED:
        return Finding("run", True, "completed")
    error = run.error
    why = f": {error.title or error.type} {error.detail or ''}" if error else ""
    return Finding("run", False, f"{run.status}{why}")


def _outcome(run: RunView) -> _Outcome | None:
    try:
        return msgspec.json.decode(run.output, type=_Outcome)
    except msgspec.MsgspecError:
        return None
