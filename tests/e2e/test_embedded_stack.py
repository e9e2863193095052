"""`visapi up`, `down`, `status` and `demo` on real processes."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest

from kit.stack import StackProcess
from visapi.cli.output import NOT_FOUND
from visapi.client import Client, operations
from visapi.stack.processes import wait_for

ROOT = Path(__file__).parents[2]
PROCESSES = {"postgres", "nats", "orchestrator", "gateway", "pdf-worker", "notifier"}


@pytest.fixture(scope="module")
def stack() -> Iterator[StackProcess]:
    """A stack whose first start is the first one of its data."""
    made = StackProcess(prepared=False)
    try:
        made.start()
        yield made
    finally:
        made.close()


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_the_ready_file_is_private_and_tells_where_everything_is(stack: StackProcess):
    assert stat.S_IMODE(stack.ready_file.stat().st_mode) == 0o600
    ready = stack.ready
    assert ready.api_key.startswith("visapi_admin_")
    assert httpx.get(f"{ready.gateway}/readyz").status_code == 200
    assert set(ready.metrics) == PROCESSES - {"postgres", "nats"}
    for name in ("gateway", "orchestrator", "pdf-worker", "notifier"):
        assert httpx.get(f"{ready.metrics[name]}/metrics").status_code == 200


def test_metrics_need_the_token_of_the_stack_for_other_accounts_and_nats_tells_nothing(stack: StackProcess):
    token = (stack.data_dir / "metrics-token").read_text()
    assert stat.S_IMODE((stack.data_dir / "metrics-token").stat().st_mode) == 0o600
    headers = {"Authorization": f"Bearer {token}"}
    for url in stack.ready.metrics.values():
        assert httpx.get(f"{url}/metrics", headers=headers).status_code == 200
        if os.geteuid() == 0:  # only root can ask as somebody else
            code = (
                "import sys,urllib.error,urllib.request\n"
                "try: print(urllib.request.urlopen(sys.argv[1]).status)\n"
                "except urllib.error.HTTPError as error: print(error.code)"
            )
            command = ["/usr/bin/python3", "-c", code, f"{url}/metrics"]
            asked = subprocess.run(
                command, check=True, capture_output=True, text=True, timeout=20, user=65534, group=65534
            )
            assert asked.stdout.strip() == "401"
    assert set(stack.processes()["nats"].ports) == {"nats"}


def test_status_lists_every_process(stack: StackProcess):
    answer = stack.command("status", "--json")
    assert answer.returncode == 0
    processes = msgspec.json.decode(answer.stdout)["processes"]
    assert {process["name"] for process in processes} == PROCESSES
    assert all(psutil.pid_exists(process["pid"]) and process["state"] == "ready" for process in processes)


def test_a_run_started_with_the_first_key_completes(stack: StackProcess):
    assert stack.echo("hello") == {"said": "hello"}


def test_the_command_line_finds_the_stack_and_its_key(stack: StackProcess):
    listed = stack.command("run", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    made = stack.command("key", "create", "for a test")
    assert made.stdout.startswith("visapi_live_")
    identity = made.stdout.split("_")[2]
    assert identity in stack.command("key", "list").stdout
    assert stack.command("key", "revoke", identity).returncode == 0


RECKON = b"""
document: {dsl: '1.0.3', namespace: tests, name: reckon, version: '1.0.0'}
do:
  - reckon: { set: { cents: "${ .amount | tonumber * 100 }" } }
"""


def test_a_retry_is_watched_to_the_end_of_the_run_and_not_to_its_old_fault(
    stack: StackProcess, tmp_path: Path
):
    with Client(stack.ready.gateway, stack.ready.api_key) as client:
        client.send(operations.deploy(RECKON, operations.YAML))
        run = str(client.send(operations.start_run("tests", "reckon", b'{"amount": "x"}', wait_s=20)).id)
    wrong, right = tmp_path / "wrong.json", tmp_path / "right.json"
    wrong.write_text('{"amount": "y"}')
    right.write_text('{"amount": "3"}')
    refused = stack.command("run", "retry", run, "--input", str(wrong), "--watch")
    assert (refused.returncode, refused.stdout.count("workflow.faulted")) == (1, 2), refused.stdout
    mended = stack.command("run", "retry", run, "--input", str(right), "--watch")
    assert mended.returncode == 0, mended.stderr
    assert mended.stdout.count("workflow.resumed") == 2
    assert '{"cents":300}' in mended.stdout
    watched = stack.command("run", "watch", run)
    assert (watched.returncode, "workflow.completed" in watched.stdout) == (0, True)


def test_an_unknown_run_is_one_clear_line(stack: StackProcess):
    answer = stack.command("run", "get", "01932f4e-7c00-7000-8000-000000000001")
    assert answer.returncode == NOT_FOUND
    assert answer.stderr.startswith("error: ")
    assert "Traceback" not in answer.stderr


def test_each_service_sees_only_its_own_secrets(stack: StackProcess):
    secrets = msgspec.json.decode((stack.data_dir / "secrets.json").read_bytes())
    allowed = {
        "key_pepper": {"gateway"},
        "link_secret": {"gateway"},
        "effect_secret": {"orchestrator"},
        "handle_secret": {"orchestrator", "notifier"},
        "sealing_key": {"gateway", "notifier"},
    }
    for name, view in stack.processes().items():
        if name == "postgres":
            continue
        assert view.pid is not None
        environ = " ".join(psutil.Process(view.pid).environ().values())
        for secret, owners in allowed.items():
            assert (secrets[secret] in environ) == (name in owners), (name, secret)
        for role, password in secrets["postgres"].items():
            assert (password in environ) == (role == f"visapi_{name}"), (name, role)
        for user, password in secrets["nats"].items():
            assert (password in environ) == (user == name), (name, user)


def test_a_data_directory_in_use_is_refused_politely(stack: StackProcess):
    answer = stack.command("up")
    assert answer.returncode == 1
    assert "is in use" in answer.stderr
    assert "visapi down" in answer.stderr


def test_a_port_in_use_is_refused_politely(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "visapi", "up", "--data-dir", str(tmp_path / "d"), "--port", port]
        answer = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert answer.returncode == 1
    assert f"port {port} is in use" in answer.stderr


@pytest.mark.parametrize("name", ["gateway", "nats", "postgres", "orchestrator"])
def test_a_killed_process_comes_back_and_work_goes_on(stack: StackProcess, name: str):
    view = stack.processes()[name]
    assert view.pid is not None
    os.kill(view.pid, signal.SIGKILL)
    stack.wait_restarted(name, view.restarts + 1)
    wait_for(
        lambda: httpx.get(f"{stack.ready.gateway}/readyz").status_code == 200,
        timeout_s=60,
        what="gateway ready",
    )
    assert stack.echo(f"after-{name}") == {"said": f"after-{name}"}


def test_data_survives_and_down_leaves_nothing(stack: StackProcess):
    assert stack.echo("kept") == {"said": "kept"}
    before = [process.pid for process in descendants(stack.supervisor)]
    with Client(stack.ready.gateway, stack.ready.api_key) as client:
        [run, *_] = client.send(operations.list_runs(limit=1)).items

    down = stack.command("down")
    assert down.returncode == 0, down.stderr
    assert stack.stop() == 0
    assert not [pid for pid in before if psutil.pid_exists(pid)]
    assert not stack.ready_file.exists()
    assert stack.command("status").returncode == 1

    first = stack.output.read_text()
    stack.start()
    with Client(stack.ready.gateway, stack.ready.api_key) as client:
        assert client.send(operations.get_run(str(run.id))).output == run.output
    second = stack.output.read_text().removeprefix(first)
    password = stack.ready.nats.split(":")[2].partition("@")[0]
    assert (stack.ready.api_key in first, password in first) == (True, True)
    assert (stack.ready.api_key in second, password in second) == (False, False)
    assert str(stack.data_dir / "api-key") in second.replace("\n", "")


def test_nothing_survives_a_killed_supervisor(stack: StackProcess):
    before = descendants(stack.supervisor)
    assert stack.stop(signal.SIGKILL) == -signal.SIGKILL

    def alive(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def gone() -> bool:
        return not [process for process in before if alive(process)]

    wait_for(gone, timeout_s=60, what="every process gone")
    stack.ready_file.unlink()
    stack.start()
    assert stack.echo("after-all") == {"said": "after-all"}


def test_the_demo_delivers_everything_twice_on_kept_data():
    folder = Path(tempfile.mkdtemp(prefix="visapi-test-demo-"))
    folder.chmod(0o711)
    command = [sys.executable, "-m", "visapi", "demo", "--data-dir", str(folder / "data")]
    try:
        for _ in range(2):
            played = subprocess.run(
                command, check=False, capture_output=True, text=True, timeout=140, cwd=ROOT
            )
            assert played.returncode == 0, played.stdout + played.stderr
            for line in (
                "✓ run: completed",
                "✓ certificate mailed",
                "✓ partner's webhook",
                "✓ Slack message",
            ):
                assert line in played.stdout
            assert "tried 3 times" in played.stdout
    finally:
        shutil.rmtree(folder, ignore_errors=True)
