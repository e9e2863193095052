"""Signed links to artifacts, and their removal."""

from urllib.parse import parse_qs, urlsplit

import pytest

from kit.fakes.artifacts import FakeArtifacts
from kit.fakes.clocks import FakeClock
from kit.fakes.gateway.tables import TENANT, WHO, GatewayTables
from visapi_common.contracts.audit import AuditEntry
from visapi_common.contracts.gateway_bodies import LINK_MAX_S
from visapi_common.core.errors import ProblemError, TransientFault
from visapi_common.core.keyrings import Keyring
from visapi_gateway.artifacts.service import Artifacts


class TestArtifacts:
    def setup_method(self) -> None:
        self.unrecorded = False
        self.store, self.clock = FakeArtifacts(), FakeClock()
        self.tables = GatewayTables()
        self.artifacts = Artifacts(self.store, self.record, Keyring.of(b"k" * 32), self.clock)

    async def record(self, audit: AuditEntry) -> None:
        if self.unrecorded:
            raise TransientFault("away")
        self.tables.record(audit)

    async def linked(self, seconds: int) -> tuple[str, dict[str, str]]:
        ref = await self.store.put(TENANT, b"%PDF", "pdf", "application/pdf")
        link = await self.artifacts.link(TENANT, ref.id, seconds)
        return ref.id, {name: values[0] for name, values in parse_qs(urlsplit(link.url).query).items()}

    async def test_a_link_opens_its_artifact_until_it_expires(self):
        artifact, link = await self.linked(60)
        until, signature = int(link["expires"]), link["signature"]
        opened = await self.artifacts.open_link(link["tenant"], artifact, until, signature)
        assert (opened.size, opened.media_type) == (4, "application/pdf")
        assert [chunk async for chunk in opened.chunks(None)] == [b"%PDF"]
        assert [chunk async for chunk in opened.chunks((1, 3))] == [b"PD"]
        self.clock.now_s += 60
        with pytest.raises(ProblemError, match="has expired"):
            await self.artifacts.open_link(link["tenant"], artifact, until, signature)

    async def test_a_link_is_for_one_artifact_of_one_tenant_until_one_time(self):
        artifact, link = await self.linked(60)
        until, signature = int(link["expires"]), link["signature"]
        for tenant, which, expires in (
            ("other", artifact, until),
            (TENANT, f"{'0' * 64}.pdf", until),
            (TENANT, artifact, until + 60),
        ):
            with pytest.raises(ProblemError, match="invalid"):
                await self.artifacts.open_link(tenant, which, expires, signature)

    async def test_no_link_is_made_for_what_is_not_there_or_for_too_long(self):
        with pytest.raises(ProblemError, match="there is no artifact"):
            await self.artifacts.link(TENANT, f"{'0' * 64}.pdf", 60)
        for seconds in (0, LINK_MAX_S + 1):
            with pytest.raises(ProblemError, match="/expires_in_s"):
                await self.linked(seconds)

    async def test_a_removed_artifact_is_gone_and_recorded(self):
        artifact, link = await self.linked(60)
        await self.artifacts.remove(WHO, artifact)
        with pytest.raises(ProblemError, match="there is no artifact"):
            await self.artifacts.open(TENANT, artifact)
        with pytest.raises(ProblemError, match="there is no artifact"):
            await self.artifacts.open_link(TENANT, artifact, int(link["expires"]), link["signature"])
        with pytest.raises(ProblemError, match="there is no artifact"):
            await self.artifacts.remove(WHO, artifact)
        (row,) = self.tables.audit[TENANT]
        assert (row.action, row.target, row.actor) == ("artifact.remove", f"artifact:{artifact}", "key:a")

    async def test_nothing_is_removed_that_the_audit_does_not_record(self):
        artifact, _ = await self.linked(60)
        self.unrecorded = True
        with pytest.raises(TransientFault):
            await self.artifacts.remove(WHO, artifact)
        assert (await self.artifacts.open(TENANT, artifact)).size == 4

    async def test_exports_of_the_audit_are_kept(self):
        export = (await self.store.put(TENANT, b"{}", "ndjson", "application/x-ndjson")).id
        with pytest.raises(ProblemError) as refused:
            await self.artifacts.remove(WHO, export)
        assert refused.value.code == "artifact_kept"
        assert await self.store.size(TENANT, export) == 2
