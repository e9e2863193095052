"""Ports, settings, restarts, rights, files: what the stack decides before it starts anything."""

import socket
import stat
from pathlib import Path

import pytest

from visapi.admin.nats_rights import USERS, rights_of
from visapi.admin.private_files import write_private
from visapi.stack import nats_config, ports
from visapi.stack.data_directory import DataDamagedError, DataDirectory, DataInUseError, StackState
from visapi.stack.embedded import EmbeddedStack, StackOptions
from visapi.stack.environment import FORWARDED, UnknownSettingError, check, of_service
from visapi.stack.inbox import mails, read_mail
from visapi.stack.restarts import DELAY_MAX_S, FIRST_DELAY_S, HEALTHY_S, Record, after_death, hopeless
from visapi.stack.supervisor import Notice


def test_a_port_that_is_taken_is_replaced_by_a_free_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        usual = taken.getsockname()[1]
        chosen = ports.Reservation().choose({"gateway": usual})
    assert chosen["gateway"] != usual


def test_a_free_usual_port_is_kept():
    usual = ports.any_free()
    assert ports.Reservation().choose({"gateway": usual}) == {"gateway": usual}


def test_two_stacks_that_start_at_once_choose_different_ports():
    usual = ports.any_free()
    first, second = ports.Reservation(), ports.Reservation()
    assert first.choose({"a": usual}) == {"a": usual}
    assert second.choose({"a": usual}) != {"a": usual}
    first.release()
    second.release()


def test_no_port_is_given_twice():
    usual = ports.any_free()
    assert len(set(ports.Reservation().choose({"a": usual, "b": usual, "c": usual}).values())) == 3


def test_pauses_between_quick_deaths_double_up_to_a_bound():
    record, delays = Record(), list[float]()
    for _ in range(12):
        record, delay = after_death(record, alive_s=0.5)
        delays.append(delay)
    assert delays[:3] == [FIRST_DELAY_S, FIRST_DELAY_S * 2, FIRST_DELAY_S * 4]
    assert delays[-1] == DELAY_MAX_S
    assert record.restarts == 12


def test_a_death_after_a_healthy_life_counts_as_a_first_one():
    record, delay = after_death(Record(quick_deaths=7, restarts=9), alive_s=HEALTHY_S)
    assert (record, delay) == (Record(quick_deaths=1, restarts=10), FIRST_DELAY_S)


def test_a_process_that_cannot_start_is_given_up_after_a_few_attempts():
    assert [hopeless(Record(quick_deaths=count), 1) for count in (1, 4, 5)] == [False, False, True]


def test_wrong_settings_are_given_up_at_once():
    assert hopeless(Record(quick_deaths=1), 2)


def test_a_mistyped_setting_stops_the_start_and_names_the_nearest():
    with pytest.raises(UnknownSettingError, match="did you mean VISAPI_SMTP_URL"):
        check({"VISAPI_SMTP_ULR": "smtp://relay"})


def test_settings_of_tests_and_of_the_command_line_are_fine():
    check({"VISAPI_TEST_EXAMPLES": "9", "VISAPI_API_KEY": "visapi_live_x", "PATH": "/bin"})


def test_a_service_sees_only_its_own_settings():
    caller = {
        "VISAPI_SMTP_URL": "smtp://relay",
        "VISAPI_LOG_LEVEL": "debug",
        "AWS_SECRET_ACCESS_KEY": "x",
        "PATH": "/b",
    }
    gateway = of_service("gateway", caller, {"VISAPI_HTTP_PORT": "8080"})
    notifier = of_service("notifier", caller, {})
    assert "VISAPI_SMTP_URL" not in gateway
    assert "AWS_SECRET_ACCESS_KEY" not in gateway
    assert gateway["VISAPI_LOG_LEVEL"] == "debug"
    assert notifier["VISAPI_SMTP_URL"] == "smtp://relay"


def test_what_the_stack_decides_wins_over_the_caller():
    assert (
        of_service("gateway", {"VISAPI_ARTIFACTS_URL": "a"}, {"VISAPI_ARTIFACTS_URL": "b"})[
            "VISAPI_ARTIFACTS_URL"
        ]
        == "b"
    )


def test_a_name_is_forwarded_only_to_known_services():
    assert set(FORWARDED) == {"gateway", "orchestrator", "pdf-worker", "notifier"}


@pytest.mark.parametrize("user", USERS)
def test_no_user_hears_the_inboxes_of_others(user: str):
    rights = rights_of(user)
    inboxes = {subject for subject in rights.subscribe if subject.startswith("_INBOX")}
    others = {f"_INBOX.{other}.>" for other in USERS if other != user}
    # Clients of workers and producers name their inboxes as they please; those of the services are denied.
    assert inboxes == {f"_INBOX.{user}.>"} or others <= set(rights.deny_subscribe)


@pytest.mark.parametrize("user", USERS)
def test_no_user_may_delete_a_stream_or_purge_one_that_the_ledger_cannot_fill_again(user: str):
    purges = {f"$JS.API.STREAM.PURGE.{name}" for name in ("ENGINE", "TASKS", "EVENTS")}
    assert {
        s
        for s in rights_of(user).publish
        if s.startswith(("$JS.API.STREAM.DELETE", "$JS.API.STREAM.PURGE", "$JS.API.>"))
    } == (purges if user == "orchestrator" else set())


def test_a_password_with_quotes_cannot_leave_its_string():
    text = nats_config.render(
        store=Path("/s"), port=1, monitor_port=2, passwords={"gateway": 'a" } permissions'}
    )
    assert r'"password": "a\" } permissions"' in text


def test_private_files_are_whole_and_closed_to_others(tmp_path: Path):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_secrets_are_made_once(tmp_path: Path):
    first = DataDirectory(tmp_path / "d")
    first.create()
    assert first.secrets() == DataDirectory(tmp_path / "d").secrets()
    assert stat.S_IMODE((tmp_path / "d" / "secrets.json").stat().st_mode) == 0o600


def test_a_data_directory_serves_one_stack_at_a_time(tmp_path: Path):
    first, second = DataDirectory(tmp_path), DataDirectory(tmp_path)
    first.lock()
    with pytest.raises(DataInUseError, match="visapi down"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def test_nothing_runs_where_nobody_holds_the_lock(tmp_path: Path):
    data = DataDirectory(tmp_path)
    data.keep_state(StackState(supervisor=1))
    assert data.state() is None
    data.lock()
    assert data.state() is not None
    data.unlock()


def test_damaged_secrets_are_told_and_never_replaced(tmp_path: Path):
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(DataDamagedError, match=r"secrets\.json"):
        DataDirectory(tmp_path).secrets()


def test_the_ports_of_the_last_start_are_kept_in_the_data_directory(tmp_path: Path):
    data = DataDirectory(tmp_path)
    assert data.ports() == {}
    data.keep_ports({"gateway": 8123})
    assert DataDirectory(tmp_path).ports() == {"gateway": 8123}


def test_the_gateway_takes_its_last_port_again_and_a_change_is_told_loudly(tmp_path: Path):
    notices: list[Notice] = []

    def start() -> int:
        stack = EmbeddedStack(StackOptions(data_dir=tmp_path, environ={}), notices.append)
        chosen = stack._choose_ports()["gateway"]
        stack._reservation.release()
        return chosen

    DataDirectory(tmp_path).keep_ports({"gateway": ports.any_free()})
    before = start()
    assert (start(), notices) == (before, [])
    with socket.socket() as other:
        other.bind(("127.0.0.1", before))
        other.listen()
        after = start()
    assert after != before
    [notice] = notices
    assert notice.trouble
    assert f"CHANGED from {before} to {after}" in notice.text


def test_the_inbox_reads_mails_in_the_order_in_which_they_came(tmp_path: Path):
    for number, subject in ((2, "second"), (1, "first")):
        (tmp_path / f"{number:06d}.eml").write_text(f"To: a@example.com\nSubject: {subject}\n\nHello\n")
    assert [read_mail(path)["Subject"] for path in mails(tmp_path)] == ["first", "second"]
