"""Build images, push them to a registry, and write down their digests: what is deployed is named by digest.

    python tools/publish_images.py --registry ghcr.io/OWNER/visapi --version 0.2.0 [IMAGE...]

Writes `out/release/images/<image>.json` with the reference and the digest, and the bill of materials
beside it. With docker the registry also gets BuildKit's own provenance and bill of materials. podman and
buildah push to any transport of theirs: `--registry oci:FOLDER` needs no registry.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import build_images
from build_images import IMAGES, ROOT, ImagesError

OUT = ROOT / "out/release/images"


def main() -> int:
    parser = argparse.ArgumentParser(description="Build images and push them to a registry.")
    parser.add_argument("images", nargs="*", help=", ".join(IMAGES))
    parser.add_argument("--registry", required=True, help="where, without the images' names")
    parser.add_argument("--version", required=True, help="the tag")
    parser.add_argument("--base", default="", help="the image to build on, instead of the pinned one")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--outputs", type=Path, help="append reference=… and digest=… there, for one image")
    given = parser.parse_args()
    if given.outputs and len(given.images) != 1:
        parser.error("--outputs is for one image")
    build_images.suit_old_machines()
    try:
        published = publish_all(given)
    except (ImagesError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"publish-images: {error}\n")
        return 1
    if given.outputs:
        with given.outputs.open("a", encoding="utf-8") as file:
            file.writelines(f"{key}={value}\n" for key, value in published[0].items())
    return 0


def publish_all(given: argparse.Namespace) -> list[dict[str, str]]:
    """Reference and digest of each image, as they stand in the files."""
    names = given.images or list(IMAGES)
    build_images.build_all(
        argparse.Namespace(
            images=names, base=given.base, bootstrap=False, standins=False, no_cache=False, tag=given.version
        )
    )
    given.out.mkdir(parents=True, exist_ok=True)
    registry = given.registry.rstrip("/")
    if not registry.startswith("oci:"):
        registry = registry.lower()  # Names in registries are; those of repositories need not be.
    builder, published = build_images.find_builder(), list[dict[str, str]]()
    for name in names:
        reference = f"{registry}/visapi/{name}"
        digest = push(builder, name, reference, given)
        record = {"name": name, "reference": reference, "digest": digest}
        (given.out / f"{name}.json").write_text(json.dumps(record) + "\n", encoding="utf-8")
        shutil.copyfile(build_images.OUT / f"{name}.cdx.json", given.out / f"{name}.cdx.json")
        print(f"publish-images: {reference}@{digest}", flush=True)
        published.append(record)
    return published


def push(builder: str, name: str, reference: str, given: argparse.Namespace) -> str:
    """Push one image that was built; its digest in the registry."""
    with tempfile.TemporaryDirectory() as place:
        digest_file = Path(place) / "digest"
        if builder == "docker":
            flags = build_images.definition(IMAGES[name], given.base, offline=False)
            output = "type=registry,rewrite-timestamp=true"
            build_images.run(["docker", "buildx", "build", *flags, "-t", f"{reference}:{given.version}",
                              "--output", output, "--provenance", "mode=max", "--sbom", "true",
                              "--metadata-file", str(digest_file), "."])  # fmt: skip
            return json.loads(digest_file.read_text(encoding="utf-8"))["containerimage.digest"]
        local = build_images.reference(f"visapi/{name}:{given.version}")
        target = f"{reference}:{given.version}"
        if target.startswith("oci:"):
            Path(target.removeprefix("oci:")).parent.mkdir(parents=True, exist_ok=True)
        else:
            target = f"docker://{target}"
        build_images.run([builder, "push", "--digestfile", str(digest_file), local, target])
        return digest_file.read_text(encoding="ascii").strip()


if __name__ == "__main__":
    sys.exit(main())
