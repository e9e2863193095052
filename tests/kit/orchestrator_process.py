"""An orchestrator as a process of its own on the servers of a test, to be killed."""

import os
import sys
from typing import Any

from kit.orchestration import SECRET, Stack
from kit.servers import RunningProcess
from visapi.stack.ports import any_free
from visapi.stack.probes import is_ready, readyz
from visapi.stack.processes import ProcessSpec


def orchestrator_process(stack: Stack, **settings: Any) -> RunningProcess:
    """Not started yet. `settings` are names of `OrchestratorSettings`. Start it from the main thread."""
    port = any_free()
    own = {
        "postgres_url": stack.database.orchestrator,
        "nats_url": stack.nats.url("orchestrator"),
        "artifacts_url": stack.folder.as_uri(),
        "effect_secret": SECRET.hex(),
        "handle_secret": SECRET.hex(),
        "engine_processes": 1,
        "metrics_port": port,
        **settings,
    }
    return RunningProcess(
        ProcessSpec(
            name="orchestrator",
            argv=(sys.executable, "-m", "visapi_orchestrator"),
            env={"PATH": os.environ["PATH"]}
            | {f"VISAPI_{name.upper()}": str(value) for name, value in own.items()},
            cwd=stack.folder,
            log=stack.folder / "orchestrator.log",
            ready=is_ready(readyz(port)),
            ports={"metrics": port},
        )
    )
