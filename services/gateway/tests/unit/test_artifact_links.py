"""Signed links to artifacts."""

from urllib.parse import parse_qs, urlsplit

import pytest

from kit.fakes.artifacts import FakeArtifacts
from kit.fakes.clocks import FakeClock
from kit.fakes.gateway.tables import TENANT
from visapi_common.core.errors import ProblemError
from visapi_common.core.keyrings import Keyring
from visapi_gateway.artifacts.service import LINK_LIMIT_S, Artifacts


class TestArtifacts:
    def setup_method(self) -> None:
        self.store, self.clock = FakeArtifacts(), FakeClock()
        self.artifacts = Artifacts(self.store, Keyring.of(b"k" * 32), self.clock)

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
        for seconds in (0, LINK_LIMIT_S + 1):
            with pytest.raises(ProblemError, match="/expires_in_s"):
                await self.linked(seconds)
