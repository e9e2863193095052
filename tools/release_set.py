"""Write what a release consists of: `release.json`, and values that make the chart take its images by digest.

    python tools/release_set.py --version 0.2.0 --chart REFERENCE --chart-digest DIGEST

Reads the files that tools/publish_images.py wrote, and refuses to go on where an image of the chart is
missing.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / "out/release"
PLACES = {
    "gateway": ("gateway", "image"),
    "orchestrator": ("orchestrator", "image"),
    "pdf-worker": ("pdfWorker", "image"),
    "notifier": ("notifier", "image"),
    "admin": ("migration", "image"),
}
"""Where the values of the chart name each image."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class ReleaseError(Exception):
    """The set is not complete; the message says what is missing."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Write what a release consists of.")
    parser.add_argument("--version", required=True)
    parser.add_argument("--images", type=Path, default=RELEASE / "images")
    parser.add_argument("--out", type=Path, default=RELEASE)
    parser.add_argument("--chart", required=True, help="the chart in its registry, without a version")
    parser.add_argument("--chart-digest", required=True)
    given = parser.parse_args()
    try:
        images = read(given.images)
        chart = {"reference": given.chart, "digest": digest(given.chart_digest, "the chart")}
    except (ReleaseError, OSError, json.JSONDecodeError, KeyError) as error:
        sys.stderr.write(f"release-set: {error}\n")
        return 1
    given.out.mkdir(parents=True, exist_ok=True)
    release = {"version": given.version, "images": images, "chart": chart}
    (given.out / "release.json").write_text(json.dumps(release, indent=1) + "\n", encoding="utf-8")
    # JSON is YAML.
    (given.out / "images.values.yaml").write_text(
        json.dumps(values(images), indent=1) + "\n", encoding="utf-8"
    )
    return 0


def read(folder: Path) -> dict[str, dict[str, str]]:
    """Reference and digest of each image, by its name."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))
             if not path.name.endswith(".cdx.json")}  # fmt: skip
    if missing := sorted(PLACES.keys() - found.keys()):
        raise ReleaseError(
            f"{folder} says nothing of {', '.join(missing)}; run `make publish-images` for each"
        )
    return {
        name: {"reference": each["reference"], "digest": digest(each["digest"], name)}
        for name, each in found.items()
    }


def digest(text: str, what: str) -> str:
    if not DIGEST.fullmatch(text):
        raise ReleaseError(f"{what} has no digest: {text!r}")
    return text


def values(images: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Values of the chart: one registry for all images, and the digest of each."""
    registries = {images[name]["reference"].removesuffix(f"/visapi/{name}") for name in PLACES}
    if len(registries) != 1:
        raise ReleaseError(f"the images lie in several registries: {', '.join(sorted(registries))}")
    made: dict[str, Any] = {"global": {"imageRegistry": registries.pop()}}
    for name, (section, key) in PLACES.items():
        made[section] = {key: {"repository": f"visapi/{name}", "digest": images[name]["digest"]}}
    return made


if __name__ == "__main__":
    sys.exit(main())
