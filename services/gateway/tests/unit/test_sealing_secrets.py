"""Secrets are sealed with the key of the time, and taken only where there is one."""

from datetime import timedelta

import pytest

from kit.fakes.clocks import FakeClock
from kit.fakes.gateway.secrets import FakeSecrets
from kit.fakes.gateway.tables import TENANT, WHO, GatewayTables
from visapi_common.core.errors import ProblemError
from visapi_common.core.keyrings import Keyring
from visapi_common.core.sealing import unseal
from visapi_gateway.kernel.sealing import SealingKeys
from visapi_gateway.secrets.service import Secrets


class TestSecrets:
    def setup_method(self) -> None:
        self.store, self.clock = FakeSecrets(GatewayTables()), FakeClock()
        since = self.clock.now() + timedelta(hours=1)
        self.keys = Keyring.read(f"{b'n'.hex() * 32}@{since:%Y-%m-%dT%H:%M:%SZ},{b'o'.hex() * 32}")
        self.secrets = Secrets(self.store, self.sealing(self.keys))

    def sealing(self, keys: Keyring | None) -> SealingKeys:
        return SealingKeys(keys, "secrets", random=bytes, clock=self.clock)

    async def test_a_value_is_sealed_with_the_key_of_the_time(self):
        for hours, key in ((0, self.keys.keys[1]), (1, self.keys.keys[0])):
            self.clock.now_s += 3600 * hours
            await self.secrets.put(WHO, "token", b'{"value": "s3cr3t-enough", "hosts": ["API.example.com"]}')
            kept = self.store.sealed[TENANT, "token"]
            assert (kept.sealed_with, kept.hosts) == (key.id, ["api.example.com"])
            assert unseal(key.secret, kept.sealed, tenant=TENANT, name="token") == b'"s3cr3t-enough"'

    async def test_a_secret_is_new_once(self):
        assert [(await self.secrets.put(WHO, "t", b'"long-enough"')).new for _ in "12"] == [True, False]
        await self.secrets.remove(WHO, "t")
        with pytest.raises(ProblemError, match="there is no secret"):
            await self.secrets.remove(WHO, "t")

    async def test_without_a_sealing_key_no_secret_is_taken(self):
        with pytest.raises(ProblemError, match="VISAPI_SEALING_KEY") as refused:
            await Secrets(self.store, self.sealing(None)).put(WHO, "t", b'"long-enough"')
        assert (refused.value.status, self.store.sealed) == (503, {})
