"""Push the packaged chart to a registry, and print the digest under which it lies there.

python tools/publish_chart.py out/chart/visapi-0.2.0.tgz oci://ghcr.io/OWNER/charts [--outputs FILE]
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HELM = ROOT / ".tools/bin/helm4"
PUSHED = re.compile(r"(?m)^Digest: *(sha256:[0-9a-f]{64})$")


def main() -> int:
    parser = argparse.ArgumentParser(description="Push the packaged chart to a registry.")
    parser.add_argument("archive", type=Path)
    parser.add_argument("registry", help="oci://…")
    parser.add_argument("--plain-http", action="store_true", help="for a registry on this machine")
    parser.add_argument("--outputs", type=Path, help="append reference=… and digest=… there")
    given = parser.parse_args()
    if not given.archive.is_file():
        parser.error(f"no archive {given.archive}: run `make chart`")
    if not given.registry.startswith("oci://"):
        parser.error(f"{given.registry} is no registry of charts: oci://HOST/PATH")
    registry = given.registry.rstrip(
        "/"
    ).lower()  # Names in registries are; those of repositories need not be.
    options = ["--plain-http"] if given.plain_http else []
    done = subprocess.run([str(HELM), "push", str(given.archive), registry, *options],
                          check=False, capture_output=True, text=True)  # fmt: skip
    pushed = PUSHED.search(done.stdout + done.stderr)
    if done.returncode != 0 or pushed is None:
        sys.stderr.write(
            f"publish-chart: helm push ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
        return 1
    reference = f"{registry.removeprefix('oci://')}/visapi"
    print(f"publish-chart: {reference}@{pushed[1]}", flush=True)
    if given.outputs:
        with given.outputs.open("a", encoding="utf-8") as file:
            file.write(f"reference={reference}\ndigest={pushed[1]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
