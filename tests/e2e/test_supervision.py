"""The embedded stack when its processes hang, lose a store, or lose their supervisor."""

import contextlib
import os
import signal
import threading

import httpx
import psutil
import pytest

from kit.stack import StackProcess
from visapi.client import ApiError, Client, UnreachableError, operations
from visapi.client.all_runs import AllRuns
from visapi.stack.data_directory import DataDirectory
from visapi.stack.members import marked
from visapi.stack.processes import wait_for
from visapi.stack.supervisor import ProcessState
from visapi_common.contracts.runs import RunChange, RunStatus


def freeze(stack: StackProcess, name: str) -> int:
    pid = stack.processes()[name].pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    return pid


def state(stack: StackProcess, name: str) -> ProcessState:
    return stack.processes()[name].state


@pytest.mark.parametrize("name", ["gateway", "orchestrator", "pdf-worker"])
def test_a_service_that_hangs_is_told_and_restarted(stack: StackProcess, name: str):
    before = stack.processes()[name].restarts
    pid = freeze(stack, name)
    wait_for(
        lambda: state(stack, name) is ProcessState.NOT_READY,
        timeout_s=60,
        what=f"{name} said to be not ready",
    )
    stack.wait_restarted(name, before + 1, timeout_s=90)
    assert not psutil.pid_exists(pid)
    assert "does not answer for 10 s" in stack.output.read_text()
    assert stack.echo(f"after-{name}") == {"said": f"after-{name}"}


def test_services_that_lost_nats_are_told_and_not_restarted(stack: StackProcess):
    restarts = {name: view.restarts for name, view in stack.processes().items()}
    freeze(stack, "nats")
    wait_for(lambda: state(stack, "nats") is ProcessState.NOT_READY, timeout_s=60, what="nats not ready")
    stack.wait_restarted("nats", restarts["nats"] + 1, timeout_s=90)
    wait_for(
        lambda: {view.state for view in stack.processes().values()} == {ProcessState.READY},
        timeout_s=60,
        what="everything ready again",
    )
    assert stack.echo("after-nats") == {"said": "after-nats"}
    now = {name: view.restarts for name, view in stack.processes().items()}
    assert now == {**restarts, "nats": restarts["nats"] + 1}


def test_a_follower_of_all_runs_misses_nothing_over_a_killed_gateway(stack: StackProcess):
    told: list[tuple[str, int]] = []
    following = AllRuns("tests/echo")

    def follow() -> None:
        # The stack ends after the last test of this file, while this thread still follows.
        gone = contextlib.suppress(UnreachableError, ApiError)
        with gone, Client(stack.ready.gateway, stack.ready.api_key) as client:
            for change in client.follow_all(following):
                assert isinstance(change, RunChange), "nothing is reset"
                told.append((str(change.run), change.seq))

    stack.echo("deployed")
    threading.Thread(target=follow, daemon=True).start()
    wait_for(lambda: following.position is not None, timeout_s=30, what="the begin of the stream")
    with Client(stack.ready.gateway, stack.ready.api_key) as client:

        def start() -> str:
            return str(client.send(operations.start_run("tests", "echo", b'{"word":"x"}')).id)

        runs = [start() for _ in range(5)]
        view = stack.processes()["gateway"]
        assert view.pid is not None
        os.kill(view.pid, signal.SIGKILL)
        stack.wait_restarted("gateway", view.restarts + 1, timeout_s=90)
        runs += [start() for _ in range(5)]
        wait_for(lambda: {run for run, _ in told} >= set(runs), timeout_s=60, what="news of each run")
        ends = [client.wait(run, timeout_s=60) for run in runs]
        seqs = {
            run: [item.seq for item in client.follow(run) if item.type.startswith("workflow.")]
            for run in runs
        }
        expected = sorted((run, seq) for run in runs for seq in seqs[run])
        wait_for(lambda: len(told) >= len(expected), timeout_s=60, what="each change")
    assert {run.status for run in ends} == {RunStatus.COMPLETED}
    assert sorted(told) == expected


def test_the_state_agrees_with_readyz(stack: StackProcess):
    for name, url in stack.ready.metrics.items():

        def agrees(name: str = name, url: str = url) -> bool:
            answered = httpx.get(f"{url}/readyz").status_code == httpx.codes.OK
            return answered == (state(stack, name) is ProcessState.READY)

        wait_for(agrees, timeout_s=60, what=f"the state of {name} as /readyz tells it")


def test_a_hung_gateway_ends_with_a_killed_supervisor_and_the_next_start_recovers(stack: StackProcess):
    assert stack.echo("kept") == {"said": "kept"}
    freeze(stack, "gateway")
    name = DataDirectory(stack.data_dir).stack_name
    os.kill(stack.supervisor, signal.SIGKILL)
    stack.wait_dead()
    wait_for(lambda: not alive(name), timeout_s=60, what="the end of every process of the stack")
    stack.start()
    assert stack.echo("again") == {"said": "again"}


def test_a_start_ends_what_a_killed_supervisor_and_a_killed_guardian_left(stack: StackProcess):
    freeze(stack, "gateway")
    freeze(stack, "postgres")
    name = DataDirectory(stack.data_dir).stack_name
    guardians = [
        child
        for child in psutil.Process(stack.supervisor).children()
        if any(part.endswith("guardian.py") for part in child.cmdline())
    ]
    assert len(guardians) == 1
    guardians[0].suspend()
    os.kill(stack.supervisor, signal.SIGKILL)
    stack.wait_dead()
    guardians[0].kill()
    assert alive(name)
    stack.start()
    assert "that an earlier `visapi up` left behind" in stack.output.read_text()
    assert stack.echo("recovered") == {"said": "recovered"}


def alive(name: str) -> list[psutil.Process]:
    return [process for process in marked(name) if process.status() != psutil.STATUS_ZOMBIE]
