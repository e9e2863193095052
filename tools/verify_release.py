"""Verify the signatures of a release's images and chart before they are deployed.

    python tools/verify_release.py --repository OWNER/REPO --ref refs/tags/v0.2.0 [--release FILE]

Asks cosign whether each digest was signed by the publishing workflow of this repository at that ref, and
compares images.values.yaml, from which Helm takes the images, with the digests that were verified. Ends with
1 for the first that was not signed, or where the values name anything else.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from release_set import ReleaseError, values

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
    flaw = flaw_of_values(given.release, release["images"])
    if flaw:
        sys.stderr.write(f"verify-release: {flaw}\n")
        return 1
    return 0


def flaw_of_values(release: Path, images: dict[str, dict[str, str]]) -> str:
    """Why the values beside `release` do not name exactly these images; empty where they do."""
    path = release.with_name("images.values.yaml")
    try:
        named, wanted = json.loads(path.read_text(encoding="utf-8")), values(images)
    except (OSError, ValueError, KeyError, ReleaseError) as error:
        return f"{path} cannot be compared with {release.name}: {error!r}; run `make release-set`"
    return "" if named == wanted else f"{path} names other images than {release.name}; fetch both files again"


if __name__ == "__main__":
    sys.exit(main())
