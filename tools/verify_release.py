"""Verify the signatures of a release's images and chart before they are deployed.

    python tools/verify_release.py --repository OWNER/REPO --ref refs/tags/v0.2.0 [--release FILE]

Asks cosign whether each digest was signed by the publishing workflow of this repository at that ref. Ends
with 1 for the first that was not.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ISSUER = "https://token.actions.githubusercontent.com"
WORKFLOW = ".github/workflows/publish.yml"


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify the signatures of a release.")
    parser.add_argument("--release", type=Path, default=Path("out/release/release.json"))
    parser.add_argument("--repository", required=True, help="OWNER/REPO")
    parser.add_argument("--ref", required=True, help="the ref that was published: refs/tags/v0.2.0")
    parser.add_argument("--server", default="https://github.com")
    given = parser.parse_args()
    release = json.loads(given.release.read_text(encoding="utf-8"))
    signed = [*release["images"].values(), release["chart"]]
    identity = f"{given.server}/{given.repository}/{WORKFLOW}@{given.ref}"
    for each in signed:
        subject = f"{each['reference']}@{each['digest']}"
        command = [
            "cosign",
            "verify",
            "--certificate-identity",
            identity,
            "--certificate-oidc-issuer",
            ISSUER,
        ]
        done = subprocess.run([*command, subject], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            sys.stderr.write(f"verify-release: {subject} was not signed by {identity}:\n{done.stderr}")
            return 1
        print(f"verify-release: {subject}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
