"""Ports of one table each: retention, secrets, flow limits, functions, events."""

from uuid import uuid4

import msgspec
import pytest

from kit.gateway_ports import GatewayGround
from visapi_common.contracts.audit import AuditAction, AuditEntry
from visapi_common.contracts.subjects import BUILTIN
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.errors import ProblemError
from visapi_gateway.audit.service import AuditFilter
from visapi_gateway.events.service import NewEvent
from visapi_gateway.kernel.api.etags import accept_any
from visapi_gateway.secrets.service import NewSecret


def entry(ground: GatewayGround, action: AuditAction) -> AuditEntry:
    return AuditEntry(ground.tenant, "key:a", action, "it", None, "r", {})


async def audited(ground: GatewayGround) -> list[str]:
    return [row.action for row in await ground.audit.page(ground.tenant, AuditFilter(), None, 10)]


class TestRetention:
    async def test_a_policy_is_set_changed_and_reset(self, ground: GatewayGround):
        assert await ground.retention.default_days() == 30
        for days in (7, 14):
            since = await ground.retention.set("sales", days, entry(ground, AuditAction.RETENTION_SET))
        policy = await ground.retention.policy(ground.tenant, "sales")
        assert policy is not None
        assert (policy.days, policy.updated_at, policy.updated_by) == (14, since, "key:a")
        assert await ground.retention.policy(ground.other, "sales") is None
        for expected in (True, False):
            reset = entry(ground, AuditAction.RETENTION_RESET)
            assert await ground.retention.reset("sales", reset) is expected
        assert await ground.retention.policy(ground.tenant, "sales") is None
        assert await audited(ground) == ["retention.reset", "retention.set", "retention.set"]

    async def test_policies_are_listed_by_namespace(self, ground: GatewayGround):
        for namespace in ("b", "a", "c"):
            await ground.retention.set(namespace, 7, entry(ground, AuditAction.RETENTION_SET))
        listed = await ground.retention.page(ground.tenant, None, 2)
        assert [policy.namespace for policy in listed] == ["a", "b"]
        assert [policy.namespace for policy in await ground.retention.page(ground.tenant, "b", 2)] == ["c"]
        assert list(await ground.retention.page(ground.other, None, 2)) == []


class TestSecrets:
    def new(self, ground: GatewayGround, name: str) -> NewSecret:
        return NewSecret(ground.tenant, name, b"sealed", "k1", ["api.example.com"], "key:a")

    async def test_a_secret_is_new_once_and_gone_once(self, ground: GatewayGround):
        for expected in (True, False):
            put = entry(ground, AuditAction.SECRET_PUT)
            stored = await ground.secrets.put(self.new(ground, "token"), put, accept_any)
            assert (stored.new, stored.view) == (expected, await ground.secrets.one(ground.tenant, "token"))
        assert await ground.secrets.one(ground.other, "token") is None
        for expected in (True, False):
            removed = entry(ground, AuditAction.SECRET_REMOVE)
            assert await ground.secrets.remove("token", removed, accept_any) is expected
        assert await audited(ground) == ["secret.remove", "secret.put", "secret.put"]

    async def test_a_refused_check_changes_no_secret(self, ground: GatewayGround):
        def refuse(shown: msgspec.Struct | None) -> None:
            raise ProblemError("precondition_failed", f"it is {shown}", status=412)

        put = entry(ground, AuditAction.SECRET_PUT)
        with pytest.raises(ProblemError, match="it is None"):
            await ground.secrets.put(self.new(ground, "token"), put, refuse)
        stored = await ground.secrets.put(self.new(ground, "token"), put, accept_any)
        for change in (
            ground.secrets.put(self.new(ground, "token"), put, refuse),
            ground.secrets.remove("token", entry(ground, AuditAction.SECRET_REMOVE), refuse),
        ):
            with pytest.raises(ProblemError, match="it is SecretView"):
                await change
        assert await ground.secrets.one(ground.tenant, "token") == stored.view
        assert await audited(ground) == ["secret.put"]

    async def test_secrets_are_listed_by_name_to_their_tenant(self, ground: GatewayGround):
        for name in ("b", "a", "c"):
            put = entry(ground, AuditAction.SECRET_PUT)
            await ground.secrets.put(self.new(ground, name), put, accept_any)
        listed = await ground.secrets.page(ground.tenant, None, 2)
        assert [(one.name, one.hosts, one.updated_by) for one in listed] == [
            ("a", ["api.example.com"], "key:a"),
            ("b", ["api.example.com"], "key:a"),
        ]
        assert [one.name for one in await ground.secrets.page(ground.tenant, "b", 2)] == ["c"]
        assert list(await ground.secrets.page(ground.other, None, 2)) == []


class TestLimits:
    async def test_each_key_tells_who_is_under_way_and_who_waits(self, ground: GatewayGround):
        for key, limit in (('"b"', 1), ('"b"', 1), ('"a"', 2), ('"a"', 2)):
            await ground.world.begin(await ground.world.run(ground.tenant), key, limit)
        rows = await ground.limits.page(ground.tenant, None, None, 10)
        told = [(row.scope, row.key, row.lim, row.under_way, row.waiting) for row in rows]
        assert told == [("test/flow", '"a"', 2, 2, 0), ("test/flow", '"b"', 1, 1, 1)]
        assert [row.waiting_since is not None for row in rows] == [False, True]
        assert list(await ground.limits.page(ground.other, None, None, 10)) == []

    async def test_keys_are_listed_by_workflow_after_a_key(self, ground: GatewayGround):
        for name, key in (("flow", '"a"'), ("flow", '"b"'), ("refund", "")):
            await ground.world.begin(await ground.world.run(ground.tenant, name), key, 1)
        after = ("test/flow", '"a"')
        rows = await ground.limits.page(ground.tenant, None, after, 10)
        assert [(row.scope, row.key) for row in rows] == [("test/flow", '"b"'), ("test/refund", "")]
        rows = await ground.limits.page(ground.tenant, "test/refund", None, 10)
        assert [row.scope for row in rows] == ["test/refund"]


class TestSystem:
    async def test_a_tenant_sees_its_own_and_the_built_in_functions_as_announced_last(
        self, ground: GatewayGround
    ):
        built_in = f"{uuid4().hex}.render"
        await ground.world.announce(BUILTIN, FunctionSpec(built_in))
        await ground.world.announce(ground.other, FunctionSpec("other.a"))
        for description in ("old", "new"):
            spec = FunctionSpec("mine.a", description=description)
            await ground.world.announce(ground.tenant, spec)
        seen = {spec.name: spec.description for spec in await ground.system.functions(ground.tenant)}
        assert seen["mine.a"] == "new"
        assert built_in in seen
        assert "other.a" not in seen

    async def test_the_database_answers(self, ground: GatewayGround):
        await ground.system.ping()


async def test_an_event_is_new_once_for_each_tenant(ground: GatewayGround):
    one, two = (NewEvent("/shop", name, "paid", b"{}") for name in "12")
    assert await ground.events.put(ground.tenant, [one, one]) == {("/shop", "1")}
    assert await ground.events.put(ground.tenant, [one, two]) == {("/shop", "2")}
    assert await ground.events.put(ground.other, [one]) == {("/shop", "1")}
