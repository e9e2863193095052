"""Terraform in tests: a copy of the tree, the real provider of AWS, stand-ins for the others.

AWS's provider comes from a folder `tf-plugins` (a filesystem mirror of Terraform) of the machine or of `.tools`, or from the
folder that VISAPI_TERRAFORM_PROVIDERS names; `make terraform-providers` makes one where the registry can be reached. The
others are served by `standin_provider.py` from transcribed schemas.
"""

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from kit.deploy_tools import ROOT, TOOLS, cannot_run_here, tool

TREE = ROOT / "terraform"
HERE = ROOT / "tests" / "deploy" / "terraform"
ENVIRONMENTS = ("staging", "production")
LAYERS = ("aws", "cluster", "grafana", "light")
MODULES = sorted(path.parent.name for path in TREE.glob("modules/*/main.tf"))
STACKS = sorted(path.parent.name for path in TREE.glob("stacks/*/main.tf"))

AWS = "registry.terraform.io/hashicorp/aws"
STANDINS = {
    "grafana": ("grafana/grafana", "4.9.1"),
    "helm": ("hashicorp/helm", "3.1.1"),
    "render": ("render-oss/render", "1.9.1"),
    "supabase": ("supabase/supabase", "1.5.1"),
}
"""By schema: the provider's address, and the version that the stand-in answers with."""
VARIABLE = "VISAPI_TERRAFORM_PROVIDERS"


class Workspace(NamedTuple):
    """A copy of terraform/ beside deploy/, and the settings of Terraform for it."""

    place: Path
    environ: dict[str, str]

    @property
    def tree(self) -> Path:
        return self.place / "terraform"


def program() -> str:
    found = shutil.which("terraform")
    if found is None:
        cannot_run_here("terraform is not installed; it is no package of Debian, PyPI or npm")
    return found


def system() -> str:
    """The machine, as Terraform names it."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{platform.system().lower()}_{machine}"


def aws_mirror() -> Path:
    """The mirror that holds AWS's provider of the machine's kind."""
    named = os.environ.get(VARIABLE)
    likely = (
        [Path(named)]
        if named
        else [
            TOOLS / "tf-plugins",
            *Path("/").glob("*/tf-plugins"),
            *(each / "tf-plugins" for each in ROOT.parents),
        ]
    )
    for mirror in likely:
        if any((mirror / AWS).glob(f"5.*/{system()}")) or packed(mirror):
            return mirror
    return cannot_run_here(
        f"no provider of AWS for {system()}: {named or 'no folder tf-plugins'} holds none; run `make terraform-providers` "
        f"where the registry can be reached, or set {VARIABLE} to a mirror"
    )


def packed(mirror: Path) -> bool:
    """Whether the provider lies in an archive, as `terraform providers mirror` puts it there."""
    return any((mirror / AWS).glob(f"terraform-provider-aws_5.*_{system()}.zip"))


def make_workspace(place: Path) -> Workspace:
    """The copy, with every provider at hand."""
    program()
    mirror = aws_mirror()
    shutil.copytree(TREE, place / "terraform", ignore=shutil.ignore_patterns(".terraform*"))
    (place / "deploy").symlink_to(ROOT / "deploy")
    for name, (address, version) in STANDINS.items():
        package = place / "mirror" / "registry.terraform.io" / address / version / system()
        package.mkdir(parents=True)
        plugin = package / f"terraform-provider-{address.split('/')[1]}_v{version}"
        plugin.write_text(
            f"#!{tool('terraform-python')}\n{_LAUNCH.format(here=str(HERE), name=name)}", encoding="utf-8"
        )
        plugin.chmod(0o755)
    settings = place / "terraformrc"
    text = _SETTINGS.format(mirror=mirror, place=place, aws=AWS)
    if packed(mirror):
        # An archive is unpacked once, not by each `terraform init`.
        (place / "cache").mkdir()
        text = f'plugin_cache_dir = "{place}/cache"\n{text}'
    settings.write_text(text, encoding="utf-8")
    (place / "home").mkdir()
    # The library of the stand-ins keeps a certificate in its home.
    environ = {
        "TF_CLI_CONFIG_FILE": str(settings),
        "HOME": str(place / "home"),
        "TF_IN_AUTOMATION": "1",
        "NO_COLOR": "1",
    }
    return Workspace(place, environ)


_LAUNCH = """import runpy, sys
sys.argv = [sys.argv[0], {name!r}]
runpy.run_path({here!r} + "/standin_provider.py", run_name="__main__")
"""

_SETTINGS = """disable_checkpoint = true
provider_installation {{
  filesystem_mirror {{
    path    = "{mirror}"
    include = ["{aws}"]
  }}
  filesystem_mirror {{
    path    = "{place}/mirror"
    exclude = ["{aws}"]
  }}
}}
"""


def run(
    workspace: Workspace, folder: Path, *arguments: str, timeout_s: int = 300, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run Terraform in a folder; the caller reads its exit code."""
    return subprocess.run(
        [program(), *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=timeout_s,
        env={**os.environ, **workspace.environ, **environ},
    )  # fmt: skip


def initialise(workspace: Workspace, folder: Path) -> None:
    done = run(workspace, folder, "init", "-backend=false", "-input=false", "-no-color")
    assert done.returncode == 0, done.stdout + done.stderr


def parsed(files: list[Path]) -> list[dict[str, Any]]:
    """Each file of HCL as plain data."""
    asked = json.dumps([file.read_text(encoding="utf-8") for file in files])
    done = subprocess.run(
        [tool("terraform-python"), HERE / "hcl_answers.py"],
        input=asked,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)
