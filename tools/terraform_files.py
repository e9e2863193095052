"""Writes what of terraform/ follows from code: README.md of modules and stacks, and the users of NATS.

    python tools/terraform_files.py            write what changed
    python tools/terraform_files.py --check    1 when a file is stale (a test runs this)

A README has the comment at the top of main.tf, and tables of inputs, outputs and resources. python-hcl2 reads
the files, in the environment that `make deploy-tools SETS=terraform` makes.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from visapi.admin.nats_users import account_document, password_variable, service_users

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "terraform"
PYTHON = ROOT / ".tools" / "terraform" / "python" / "bin" / "python"
READER = ROOT / "tests" / "deploy" / "terraform" / "hcl_answers.py"
USERS = TREE / "stacks" / "cluster" / "nats-accounts.json"
FILES = ("versions.tf", "variables.tf", "outputs.tf", "main.tf", "access.tf")

Parsed = dict[str, Any]


def main() -> int:
    if not PYTHON.exists():
        sys.stderr.write("terraform_files: run `make deploy-tools SETS=terraform` first\n")
        return 2
    folders = sorted(
        path.parent for path in [*TREE.glob("modules/*/main.tf"), *TREE.glob("stacks/*/main.tf")]
    )
    paths = [folder / name for folder in folders for name in FILES if (folder / name).exists()]
    read = dict(zip(paths, parsed(paths), strict=True))
    wanted = {folder / "README.md": readme(folder, read) for folder in folders}
    wanted[USERS] = users()
    stale = [
        path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    check = "--check" in sys.argv[1:]
    for path in stale:
        what = "stale; run python tools/terraform_files.py" if check else "written"
        print(f"{path.relative_to(ROOT)}: {what}")
        if not check:
            path.write_text(wanted[path], encoding="utf-8")
    return 1 if check and stale else 0


def parsed(paths: list[Path]) -> list[Parsed]:
    asked = json.dumps([path.read_text(encoding="utf-8") for path in paths])
    done = subprocess.run([PYTHON, READER], input=asked, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def users() -> str:
    """The services' account, as the chart of NATS wants it: `<< $NAME >>` is a variable of the servers."""
    services = service_users()
    passwords = {user.name: f"<< ${password_variable(user.name)} >>" for user in services}
    return json.dumps(account_document("VISAPI", services, passwords)["accounts"], indent=1) + "\n"


def readme(folder: Path, read: dict[Path, Parsed]) -> str:
    """The README of a module or a stack."""
    main = (folder / "main.tf").read_text(encoding="utf-8")
    about = " ".join(line.lstrip("# ") for line in re.match(r"(?:#.*\n)+", main)[0].splitlines())  # type: ignore[index]
    return "\n".join([
        f"# {folder.parent.name}/{folder.name}",
        "",
        about,
        "",
        "<!-- Everything below is written by tools/terraform_files.py. -->",
        "## Providers",
        "",
        *_providers(read[folder / "versions.tf"]),
        "",
        "## Inputs",
        "",
        *_inputs(read[folder / "variables.tf"]),
        "",
        "## Outputs",
        "",
        *_outputs(read[folder / "outputs.tf"]),
        "",
        "## Makes",
        "",
        *_makes([read[folder / name] for name in ("main.tf", "access.tf") if folder / name in read]),
        "",
    ])  # fmt: skip


def _providers(versions: Parsed) -> Iterator[str]:
    [terraform] = versions["terraform"]
    yield f"Terraform `{terraform['required_version']}`"
    providers: dict[str, dict[str, str]] = terraform["required_providers"][0]
    for body in providers.values():
        yield f"· `{body['source']}` `{body['version']}`"


def _inputs(variables: Parsed) -> Iterator[str]:
    yield "| input | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, body in _named(variables["variable"]):
        default = f"`{_code(body['default'])}`" if "default" in body else "needed"
        kind = "object" if "object(" in body["type"] else body["type"].strip("${}")
        sensitive = " Sensitive." if body.get("sensitive") else ""
        yield f"| `{name}` | `{kind}` | {default} | {body['description']}{sensitive} |"


def _outputs(outputs: Parsed) -> Iterator[str]:
    yield "| output | meaning |"
    yield "|---|---|"
    for name, body in _named(outputs["output"]):
        yield f"| `{name}` | {body['description']} |"


def _makes(files: list[Parsed]) -> Iterator[str]:
    kinds: dict[str, int] = {}
    for file in files:
        for resource in file.get("resource", []):
            for kind in resource:
                kinds[kind] = kinds.get(kind, 0) + 1
        for module in file.get("module", []):
            for body in module.values():
                kinds[body["source"].removeprefix("../../")] = 1
    yield " · ".join(
        f"`{kind}`" + (f" ({count})" if count > 1 else "") for kind, count in sorted(kinds.items())
    )


def _named(blocks: list[Parsed]) -> Iterator[tuple[str, Parsed]]:
    for block in blocks:
        yield from block.items()


def _code(value: Any) -> str:
    """A default or a type as HCL writes it."""
    if isinstance(value, str) and value.startswith("${"):
        return value[2:-1]
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
