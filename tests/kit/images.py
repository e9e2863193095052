"""The built images, run by podman or docker."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
IMAGES: dict[str, Any] = json.loads((ROOT / "deploy/images/images.json").read_text())
BOUND = (
    "--read-only",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--tmpfs=/tmp:rw,size=256m,mode=1777",
)


class Engine:
    """`docker` or `podman`, and the images of this checkout."""

    def __init__(self, program: str) -> None:
        self.program = program
        if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
            os.environ.setdefault("CONTAINERS_CONF", str(ROOT / "deploy/images/containers.conf"))
        self.tag = os.environ.get("VISAPI_VERSION", "dev")

    def image(self, name: str) -> str:
        return f"localhost/visapi/{name}:{self.tag}"

    def do(self, *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments], check=False, capture_output=True, text=True, timeout=timeout_s
        )

    def python(self, name: str, code: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Run Python in the image, bound as in docker-compose.yml and without a network."""
        return self.do(
            "run", "--rm", "--network=none", *BOUND, *options, "--entrypoint=/usr/bin/python3.11",
            self.image(name), "-c", code,
        )  # fmt: skip
