"""A whole stack to be attacked, as its users and its operator see it from outside."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from kit.stack import OPEN_RATES, StackProcess
from kit.tenants import make_tenant, owner_url
from visapi.stack.data_directory import ReadyFile
from visapi.stack.ports import LOOPBACK, any_free
from visapi.stack.standins.smtp_sink import SmtpSink
from visapi.stack.standins.webhook_receiver import WebhookReceiver

SERVICES = ("gateway", "orchestrator", "pdf-worker", "notifier")


class Tenant:
    """One tenant's door to the gateway. `client` sends the tenant's key with each request."""

    def __init__(self, name: str, url: str, key: str) -> None:
        self.name = name
        self.url = url
        self.key = key
        headers = {"Authorization": f"Bearer {key}"}
        self.client = httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False)

    async def deploy(self, document: str) -> str:
        """Deploy a definition; the path under which its runs are started."""
        answer = await self.client.post(
            "/v1/workflows", content=document.encode(), headers={"Content-Type": "application/yaml"}
        )
        assert answer.status_code in (200, 201), answer.text
        at = answer.json()
        return f"/v1/workflows/{at['namespace']}/{at['name']}/runs"

    async def start(self, target: str, body: Any = None, *, wait_s: int | None = None) -> httpx.Response:
        """Start a run; with `wait_s` the answer is the run as it is when it ends, or after that time."""
        headers = {} if wait_s is None else {"Prefer": f"wait={wait_s}"}
        return await self.client.post(target, json=body, headers=headers, timeout=60 + (wait_s or 0))

    async def ended(self, target: str, body: Any, *, within_s: int) -> str:
        """Start a run; the status with which it ended."""
        run = (await self.start(target, body)).json()
        async with asyncio.timeout(within_s):
            while run["status"] not in ("completed", "faulted", "cancelled"):
                await asyncio.sleep(0.5)
                run = (await self.client.get(f"/v1/runs/{run['id']}")).json()
        return run["status"]


class CommonStack:
    """One stack for the files that ask for no settings, which are attacked one after the other. It outlives their event
    loops; each file has tenants and receivers of its own.
    """

    def __init__(self) -> None:
        self.smtp_port = any_free()
        self._process: StackProcess | None = None

    def started(self) -> StackProcess:
        if self._process is None:
            self._process = process_with(f"smtp://{LOOPBACK}:{self.smtp_port}", {})
            self._process.start()
        return self._process

    def close(self) -> None:
        if self._process is not None:
            self._process.close()


def process_with(smtp_url: str, settings: Mapping[str, str]) -> StackProcess:
    """A stack, not started yet, that sends mails to this server and may call this machine."""
    own = {
        "VISAPI_SMTP_URL": smtp_url,
        "VISAPI_EGRESS_ALLOW": "127.0.0.0/8",
        "VISAPI_LOG_LEVEL": "warning",
    }
    return StackProcess({**os.environ, **OPEN_RATES, **own, **settings})


class AttackStack:
    """The embedded stack under attack, and the receivers of its mails and webhooks. With a `common` stack the tenants'
    names end with `mark`.
    """

    def __init__(
        self, settings: Mapping[str, str], common: CommonStack | None = None, mark: str = ""
    ) -> None:
        self._settings = dict(settings)
        self._common = common
        self._mark = mark
        self._stack: StackProcess | None = None
        self._tenants: dict[str, Tenant] = {}
        self.hooks = WebhookReceiver()
        self.mails = SmtpSink()
        self.hook_url = ""

    async def start(self) -> None:
        self.hook_url = await self.hooks.start() + "/hook"
        if self._common is not None:
            await self.mails.start(self._common.smtp_port)
            self._stack = await asyncio.to_thread(self._common.started)
            return
        self._stack = process_with(await self.mails.start(), self._settings)
        await asyncio.to_thread(self._stack.start)

    async def stop(self) -> None:
        for tenant in self._tenants.values():
            await tenant.client.aclose()
        if self._stack is not None and self._common is None:
            await asyncio.to_thread(self._stack.close)
        await self.hooks.stop()
        await self.mails.stop()

    async def restart(self) -> None:
        """Stop `visapi up` as a person would, and start it again on the same data; returns once it is ready."""
        await asyncio.to_thread(self.process.stop)
        await asyncio.to_thread(self.process.start)
        for tenant in self._tenants.values():
            tenant.url = self.ready.gateway.rstrip("/")
            tenant.client.base_url = tenant.url

    @property
    def process(self) -> StackProcess:
        assert self._stack is not None
        return self._stack

    @property
    def ready(self) -> ReadyFile:
        """URLs, the first key (tenant `default`, kind `admin`) and the NATS credentials of own workers."""
        return self.process.ready

    @property
    def data_dir(self) -> Path:
        return self.process.data_dir

    @property
    def owner_url(self) -> str:
        """PostgreSQL as the schema's owner, to look at rows or to plant a poisoned one."""
        return owner_url(self.data_dir, self.pid("gateway"))

    async def tenant(self, name: str) -> Tenant:
        """A tenant with a key that may do everything; made at the first call, usable when this returns."""
        name += self._mark
        if name not in self._tenants:
            key = await asyncio.to_thread(make_tenant, self.data_dir, self.pid("gateway"), name)
            tenant = self._tenants[name] = Tenant(name, self.ready.gateway.rstrip("/"), key)
            async with asyncio.timeout(20):
                while (await tenant.client.get("/v1/keys/current")).status_code != httpx.codes.OK:
                    await asyncio.sleep(0.1)
        return self._tenants[name]

    def pid(self, name: str) -> int:
        """The id of a process of the stack (`gateway`, `orchestrator`, …, `nats`, `postgres`)."""
        found = self.process.processes()[name].pid
        assert found is not None, f"{name} does not run"
        return found

    def restarts(self) -> dict[str, int]:
        """How often each process of the stack was started again so far."""
        return {name: view.restarts for name, view in self.process.processes().items()}

    def memory_mb(self, name: str) -> float:
        """Resident memory of a process and everything below it, in MB."""
        total = 0
        root = psutil.Process(self.pid(name))
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total / 1e6

    def log(self, name: str) -> str:
        """What a process has written so far."""
        return (self.data_dir / "logs" / f"{name}.log").read_text("utf-8", "replace")

    async def metric(self, service: str, name: str, **labels: str) -> float:
        """The sum of a metric's samples that carry these labels, read from the service's `/metrics`."""
        base = self.ready.metrics[service].removesuffix("/metrics").rstrip("/")
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            answer = await client.get(f"{base}/metrics")
        answer.raise_for_status()
        return sum(
            sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@contextlib.asynccontextmanager
async def attack_stack(
    settings: Mapping[str, str] | None = None, common: CommonStack | None = None, mark: str = ""
) -> AsyncIterator[AttackStack]:
    """A running stack, taken down at the end; the `common` one goes on."""
    stack = AttackStack(settings or {}, common, mark)
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()
