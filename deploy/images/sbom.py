"""Write the bill of materials of an image (CycloneDX 1.6): Debian packages, Python packages and ours.

    python3.11 sbom.py NAME FOLDER... > visapi.cdx.json

Runs while an image is built, over the folders that become the image; hashes are those of the lock. Says
nothing that differs from build to build. Uses the standard library only.
"""

import json
import os
import re
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_METADATA = re.compile(r"(?m)^(Name|Version|License-Expression): (.*)$")
_SPACE = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


def main() -> None:
    name, folders = sys.argv[1], [Path(folder) for folder in sys.argv[2:]]
    lock = Path(f"/build/{name}.lock").read_text(encoding="utf-8")
    parts = [*debian(folders), *python(folders, lock)]
    moment = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH") or 0), UTC)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, json.dumps(parts, sort_keys=True))}",
        "version": 1,
        "metadata": {
            "timestamp": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            "component": {"type": "container", "bom-ref": f"visapi/{name}", "name": f"visapi/{name}"},
        },
        "components": sorted(parts, key=lambda part: part["bom-ref"]),
    }
    json.dump(document, sys.stdout, indent=1)


def debian(folders: list[Path]) -> Iterator[dict[str, Any]]:
    for path in sorted(path for folder in folders for path in folder.glob("var/lib/dpkg/status.d/*")):
        fields = dict(re.findall(r"(?m)^([\w-]+): ?(.*)$", path.read_text(encoding="utf-8")))
        version, architecture = fields["Version"], fields["Architecture"]
        purl = f"pkg:deb/debian/{fields['Package']}@{version}?arch={architecture}&distro=debian-12"
        yield component(fields["Package"], version, purl)


def python(folders: list[Path], lock: str) -> Iterator[dict[str, Any]]:
    hashes = {
        entry.split("==", 1)[0].lower(): re.findall(r"sha256:([0-9a-f]{64})", entry)
        for entry in re.findall(r"(?m)^[A-Za-z0-9].*(?:\n[ \t]+.*)*", lock)
    }
    for path in sorted(path for folder in folders for path in folder.glob("*.dist-info/METADATA")):
        fields = dict(
            re.findall(r"(?m)^(Name|Version|License-Expression): (.*)$", path.read_text(encoding="utf-8"))
        )
        name = re.sub(r"[-_.]+", "-", fields["Name"]).lower()
        found = component(name, fields["Version"], f"pkg:pypi/{name}@{fields['Version']}")
        if "License-Expression" in fields:
            found["licenses"] = [{"expression": fields["License-Expression"]}]
        if name in hashes:
            found["properties"] = [{"name": "visapi:locked-sha256", "value": one} for one in hashes[name]]
        yield found


def component(name: str, version: str, purl: str) -> dict[str, Any]:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


if __name__ == "__main__":
    main()
