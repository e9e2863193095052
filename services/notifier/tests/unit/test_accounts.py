"""The account that a call uses: kept for seconds, opened for each task, and bounded in what it may do."""

import secrets
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from structlog.testing import capture_logs

from kit.fakes.clocks import FakeClock
from visapi_common.adapters.clock import RandomIds
from visapi_common.contracts.account_kinds import KINDS, SmtpCredentials, SmtpSettings
from visapi_common.contracts.engine_messages import WorkflowRef
from visapi_common.contracts.payloads import inline
from visapi_common.contracts.task_messages import TaskMessage
from visapi_common.core.egress_policy import EgressRefused, policy_from
from visapi_common.core.errors import PermanentFault, ProblemError
from visapi_common.core.keyrings import Key, Keyring
from visapi_common.core.sealing import name_of_account_version, seal
from visapi_common.telemetry.setup import open_metrics
from visapi_common.worker.faults import Postponed, TaskFault
from visapi_notifier import channels
from visapi_notifier.accounts.rules import SealedAccount, SealedVersion
from visapi_notifier.accounts.service import KEPT_S, Accounts
from visapi_notifier.channels.email.rules.account import check_port, relay_of_account, sender_of_account
from visapi_notifier.outbound.rules.masking import Mask

KEY, LOST = Key(b"k" * 32), Key(b"l" * 32)
SETTINGS = SmtpSettings(host="mail.acme.example", from_="Acme <hi@acme.example>", senders=["*@Sub.example"])
TOKEN = "xoxb-12345678-secret"


def task(tenant: str = "acme") -> TaskMessage:
    return TaskMessage(
        run=RandomIds().uuid7(), path="/do/0/a", attempt=1, tenant=tenant, function="notify.slack",
        workflow=WorkflowRef("a", "b", "1.0.0"), name="a", pointer="/do/0/a", input=inline(b"null"),
        effect_key="k" * 64, token="t", reply="r",
    )  # fmt: skip


def version(name: str, *, key: Key = KEY, tenant: str = "acme", token: str = TOKEN) -> SealedVersion:
    ident: UUID = uuid4()
    value = msgspec.json.encode({"token": token, "from a later release": 1})
    place = name_of_account_version(name, ident)
    sealed = seal(key.secret, value, tenant=tenant, name=place, nonce=secrets.token_bytes(12))
    return SealedVersion(ident, b'{"later": true}', sealed, key.id)


class TestAccounts:
    def setup_method(self) -> None:
        self.rows: dict[str | None, SealedAccount] = {}
        self.reads: list[tuple[str, str | None]] = []
        self.clock = FakeClock()
        self.metrics = open_metrics()
        self.accounts = Accounts(self.read, Keyring((KEY,)), self.clock, self.metrics)

    async def read(self, tenant: str, kind: str, name: str | None) -> SealedAccount | None:
        self.reads.append((tenant, name))
        return self.rows.get(name) if tenant == "acme" else None

    def put(self, name: str, *versions: SealedVersion, kind: str = "slack") -> None:
        self.rows[name] = SealedAccount(name, kind, versions)

    async def test_an_account_and_that_there_is_none_are_kept_for_seconds(self):
        for _ in range(3):
            assert await self.accounts.find("slack", None, task(), Mask()) is None
            with pytest.raises(TaskFault, match="there is no account 'board'"):
                await self.accounts.find("slack", "board", task(), Mask())
        assert self.reads == [("acme", None), ("acme", "board")]
        self.put("board", version("board"))
        self.clock.now_s += KEPT_S
        for _ in range(3):
            assert await self.accounts.find("slack", "board", task(), Mask())
        assert len(self.reads) == 3
        with pytest.raises(TaskFault):
            await self.accounts.find("slack", "board", task("other"), Mask())

    async def test_both_versions_of_an_overlap_are_opened_and_masked(self):
        self.put("board", version("board", token="xoxb-new-one-1234"), version("board"))
        mask = Mask()
        found = await self.accounts.find("slack", "board", task(), mask)
        assert found is not None
        assert [one.credentials.token for one in found.versions] == ["xoxb-new-one-1234", TOKEN]
        assert mask.hide(f"a {TOKEN} b xoxb-new-one-1234") == "a *** b ***"

    async def test_an_account_that_cannot_be_opened_fails_its_own_tasks_alone(self):
        self.put("good", version("good"))
        self.put("lost", version("lost", key=LOST))
        self.put("moved", version("good"))
        self.put("mail", version("mail"), kind="smtp")
        cases: list[tuple[str, type[Exception], str | None]] = [
            ("lost", Postponed, None),
            ("moved", PermanentFault, "cannot be opened; rotate"),
            ("mail", TaskFault, "is of kind smtp"),
        ]
        for name, kind, told in cases:
            with pytest.raises(kind, match=told):
                await self.accounts.find("slack", name, task(), Mask())
            assert await self.accounts.find("slack", "good", task(), Mask())

    @pytest.mark.parametrize("bad", ["key gone", "moved", "unreadable"])
    @pytest.mark.parametrize("first", [True, False])
    async def test_a_version_that_cannot_be_opened_fails_alone(self, bad: str, first: bool):
        broken = {
            "key gone": version("board", key=LOST),
            "moved": version("another"),
            "unreadable": version("board", token="short"),
        }[bad]
        both = (broken, version("board")) if first else (version("board"), broken)
        self.put("board", *both)
        mask = Mask()
        with capture_logs() as logs:
            found = await self.accounts.find("slack", "board", task(), mask)
        assert found is not None
        assert [one.credentials.token for one in found.versions] == [TOKEN]
        assert found.key_missing == (bad == "key gone")
        assert mask.hide(TOKEN) == "***"
        (told,) = logs
        assert (told["tenant"], told["account"], told["version"]) == ("acme", "board", str(broken.id))
        faults = self.metrics.registry.get_sample_value
        gone = faults("visapi_operator_faults_total", {"loop": "accounts", "class": "keys"})
        assert bool(gone) == (bad == "key gone")

    async def test_an_account_waits_for_a_key_only_where_no_version_opens(self):
        self.put("board", version("board", key=LOST), version("another"))
        with pytest.raises(Postponed):
            await self.accounts.find("slack", "board", task(), Mask())

    async def test_without_a_sealing_key_a_default_is_not_passed_by(self):
        without = Accounts(self.read, None, self.clock, open_metrics())
        assert await without.find("slack", None, task(), Mask()) is None
        self.rows[None] = SealedAccount("board", "slack", (version("board"),))
        self.clock.now_s += KEPT_S
        with pytest.raises(PermanentFault, match="VISAPI_SEALING_KEY"):
            await without.find("slack", None, task(), Mask())


def test_each_kind_of_account_belongs_to_one_channel() -> None:
    kinds = [channel.account for channel in channels.declared().values() if channel.account]
    assert sorted(kinds) == sorted(KINDS)


@pytest.mark.parametrize("wanted", [None, "hi@acme.example", "Ada <ada@sub.example>", "hi@ACME.example"])
def test_a_mail_is_from_an_address_that_the_account_allows(wanted: str | None) -> None:
    assert sender_of_account(SETTINGS, wanted).local in ("hi", "ada")


@pytest.mark.parametrize(
    "wanted", ["ada@acme.example", "hi@sub.example.evil", "ada@sub.example@acme.example"]
)
def test_a_mail_is_from_no_other_address(wanted: str) -> None:
    with pytest.raises(ProblemError, match="/from"):
        sender_of_account(SETTINGS, wanted)


@pytest.mark.parametrize(
    ("port", "allowed"), [(587, True), (2525, True), (8025, True), (25, False), (6379, False)]
)
def test_a_relay_is_spoken_to_at_ports_of_mail_alone(port: int, allowed: bool) -> None:
    settings: Any = msgspec.structs.replace(SETTINGS, port=port)
    relay = relay_of_account(settings, SmtpCredentials("u", "long-enough"))
    check: Callable[[], None] = lambda: check_port(relay, policy_from())  # noqa: E731 (called twice)
    if allowed:
        check()
    else:
        with pytest.raises(EgressRefused):
            check()
    check_port(relay, policy_from([f"mail.acme.example:{port}"]))
