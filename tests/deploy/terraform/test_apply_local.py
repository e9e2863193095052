"""`make terraform-apply-local`: an environment applied for real, to an emulator of AWS (moto), and taken away again.

The stack `aws` is applied by AWS's own provider; the stack `cluster` then finds it by name, and its releases go to the
stand-in of Helm's provider. Not part of `make deploy-check`: it takes minutes.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kit.deploy_tools import tool
from kit.terraform import HERE, Workspace, run
from kit.waiting import eventually

ASKED = os.environ.get("VISAPI_TEST_TERRAFORM_APPLY") == "1"
pytestmark = [
    pytest.mark.skipif(not ASKED, reason="takes minutes: make terraform-apply-local runs it"),
    pytest.mark.timeout(1500),
]

LEFT_OUT = (
    "aws_eks_addon",
    "aws_eks_access_entry",
    "aws_eks_access_policy_association",
    "aws_eks_pod_identity_association",
)
"""What the emulator does not know; the files of the folder `emulator`, laid over the modules, leave it out."""
LOCAL = """
terraform {
  backend "local" {}
}

provider "aws" {
  allowed_account_ids = ["123456789012"]
  s3_use_path_style   = true
}
"""
UNPROTECTED = """
module "stack" {
  protected = false
}
"""
NO_CLUSTER = """
provider "helm" {
  kubernetes = { host = "https://127.0.0.1" }
}
"""
OVERRIDES = {"aws": LOCAL + UNPROTECTED, "cluster": LOCAL + NO_CLUSTER}
"""By layer, what is laid over an environment: the emulator's account; that it may be destroyed; that the cluster, whose
certificate the emulator makes of random letters, does not exist.
"""


@pytest.fixture
async def aws(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """The emulator; the variables that lead Terraform to it."""
    server, address = start_emulator(tmp_path / "moto.log")
    try:
        await eventually(lambda: answers(f"{address}/moto-api/data.json"), what="moto answers")
        yield {
            "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip
    finally:
        server.terminate()
        server.wait(30)


def start_emulator(log: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [tool("moto-python"), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as out:
        # Without it the emulator knows no policy that AWS itself has made.
        environ = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
        return subprocess.Popen(command, stdout=out, stderr=out, env=environ), f"http://127.0.0.1:{port}"


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


class Applied:
    """A layer of an environment on the emulator."""

    def __init__(self, workspace: Workspace, layer: str, environ: dict[str, str]) -> None:
        self.workspace, self.environ = workspace, environ
        self.folder = workspace.tree / "environments" / "staging" / layer
        (self.folder / "local_override.tf").write_text(OVERRIDES[layer], encoding="utf-8")
        (self.folder / "database-ca.pem").write_text("-----BEGIN CERTIFICATE-----\ntest\n", encoding="utf-8")
        self.terraform("init", "-input=false")

    def terraform(self, *arguments: str) -> str:
        """Run it; print how long it took."""
        began = time.monotonic()
        done = run(self.workspace, self.folder, *arguments, timeout_s=900, **self.environ)
        print(f"{self.folder.name}: terraform {arguments[0]}: {time.monotonic() - began:.0f} s")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
        return done.stdout

    def apply(self) -> dict[str, Any]:
        """Apply, and prove that a second plan finds nothing to do; the state's resources by type."""
        self.terraform("apply", "-auto-approve", "-input=false")
        self.terraform("plan", "-detailed-exitcode", "-input=false")
        return json.loads((self.folder / "terraform.tfstate").read_text(encoding="utf-8"))

    def destroy(self) -> None:
        self.terraform("destroy", "-auto-approve", "-input=false")
        left = json.loads((self.folder / "terraform.tfstate").read_text(encoding="utf-8"))["resources"]
        assert left == []


async def test_staging_is_applied_without_drift_and_destroyed(workspace: Workspace, aws: dict[str, str]):
    shutil.copytree(HERE / "emulator", workspace.tree / "modules", dirs_exist_ok=True)
    foundation = Applied(workspace, "aws", aws)
    state = foundation.apply()
    made = managed(state)
    print(f"aws: {sum(made.values())} resources of {len(made)} kinds applied, second plan empty")
    assert sum(made.values()) > 75
    assert not set(made) & set(LEFT_OUT)
    assert passwords(state) == []

    cluster = Applied(workspace, "cluster", aws)
    releases = managed(cluster.apply())
    assert releases == {"helm_release": 8}
    outputs = json.loads(cluster.terraform("output", "-json"))["stack"]["value"]
    found = json.loads(foundation.terraform("output", "-json"))["stack"]["value"]
    assert f"s3://{found['bucket']}/artifacts" in outputs["values"]
    cluster.destroy()
    foundation.destroy()


def managed(state: dict[str, Any]) -> Counter[str]:
    """How many resources of each kind a state holds."""
    counts = Counter[str]()
    for each in state["resources"]:
        if each["mode"] == "managed":
            counts[each["type"]] += len(each["instances"])
    return counts


def passwords(state: dict[str, Any]) -> list[str]:
    """Arguments of a state that hold a secret value."""
    return [
        f"{each['type']}.{name}"
        for each in state["resources"]
        for instance in each["instances"]
        for name, value in instance["attributes"].items()
        if name in {"password", "secret_string", "secret_binary", "token"} and value
    ]
