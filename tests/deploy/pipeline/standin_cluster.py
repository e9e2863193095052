"""Stands in for Helm and kubectl where they would speak to a cluster: `standin_cluster.py STATE helm|kubectl …`.

Charts are rendered by the real Helm, which needs no cluster for that. STATE is a JSON
file: releases with their revisions, the service that the route leads to, commands that fail, the commands so far.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parents[3] / ".tools/bin"


def main() -> int:
    place, program, *arguments = sys.argv[1:]
    state: dict[str, Any] = json.loads(Path(place).read_text())
    state["calls"].append([program, *arguments])
    try:
        return (helm if program == "helm" else kubectl)(state, arguments)
    finally:
        Path(place).with_suffix(".new").write_text(json.dumps(state))
        Path(place).with_suffix(".new").replace(place)


def helm(state: dict[str, Any], arguments: list[str]) -> int:
    verb, release = arguments[0], arguments[1]
    releases: dict[str, Any] = state["releases"]
    if [verb, release] in state["fails"]:
        sys.stderr.write(f"Error: {release}: context deadline exceeded\n")
        return 1
    if verb == "template":
        return subprocess.run([TOOLS / "helm4", *arguments], check=False).returncode
    if verb == "list":
        wanted = arguments[arguments.index("--filter") + 1].strip("^$")
        print(json.dumps([{"name": wanted}] if wanted in releases else []))
    elif verb == "history":
        print(json.dumps([{"revision": each, "status": "superseded"} for each in range(1, releases[release]["revision"])]
                         + [{"revision": releases[release]["revision"], "status": "deployed"}]))  # fmt: skip
    elif verb == "upgrade":
        revision = releases.get(release, {"revision": 0})["revision"] + 1
        releases[release] = {"revision": revision, "content": f"new-{release}"}
    elif verb == "rollback":
        releases[release] = {"revision": releases[release]["revision"] + 1, "content": f"old-{release}"}
    elif verb == "uninstall":
        releases.pop(release, None)
    return 0


def kubectl(state: dict[str, Any], arguments: list[str]) -> int:
    verb = arguments[0]
    if verb == "get":
        print(json.dumps({"spec": {"rules": [{"backendRefs": [{"name": state["route"]}]}]}}))
    elif verb == "patch":
        test, replace = json.loads(arguments[arguments.index("--patch") + 1])
        if test["value"] != state["route"]:
            sys.stderr.write("error: the server rejected the patch: test failed\n")
            return 1
        state["route"] = replace["value"]
    elif verb == "logs":
        print("[pod/gateway] the last words of the release")
    return 0


if __name__ == "__main__":
    sys.exit(main())
