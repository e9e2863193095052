"""Build the images with docker, podman or buildah, whichever is there, and measure them.

    python tools/build_images.py [IMAGE...]         all images of deploy/images/images.json, or those named
    python tools/build_images.py --base IMAGE ...   on another base than the one that the Dockerfiles pin
    python tools/build_images.py --bootstrap ...    on a base that mmdebstrap makes, where no registry answers
    python tools/build_images.py --standins ...     also stand-ins for postgres and nats (Debian, PyPI)

Writes `.images/report.json` (sizes, layers, the builder) and `.images/<image>.cdx.json` (bills of materials).
The locked packages are fetched by this machine's pip, so that its index is used and no build needs one.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / ".images"
IMAGES = json.loads((ROOT / "deploy/images/images.json").read_text(encoding="utf-8"))
STANDINS = json.loads((ROOT / "deploy/images/standins/images.json").read_text(encoding="utf-8"))
BOOTSTRAPPED = "localhost/visapi-base:bookworm"
BILL = "usr/share/sbom/visapi.cdx.json"
EPOCH = "1764374400"
"""The time that every file of an image has, unless SOURCE_DATE_EPOCH says another."""


class ImagesError(Exception):
    """No image can be built; the message says how to mend it."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the images.")
    parser.add_argument("images", nargs="*", help=", ".join(IMAGES))
    parser.add_argument("--base", default="", help="the image to build on")
    parser.add_argument("--bootstrap", action="store_true", help="make the base with mmdebstrap")
    parser.add_argument("--standins", action="store_true", help="also build stand-ins for postgres and nats")
    parser.add_argument("--no-cache", action="store_true", help="build every layer anew")
    parser.add_argument("--tag", default="dev")
    asked = parser.parse_args()
    suit_old_machines()
    try:
        build_all(asked)
    except ImagesError as error:
        sys.stderr.write(f"images: {error}\n")
        return 1
    return 0


def suit_old_machines() -> None:
    """Without unified control groups podman and buildah need other settings than Debian's."""
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        os.environ.setdefault("CONTAINERS_CONF", str(ROOT / "deploy/images/containers.conf"))


def build_all(asked: argparse.Namespace) -> None:
    if unknown := sorted(set(asked.images) - IMAGES.keys()):
        raise ImagesError(f"no image {', '.join(unknown)}; there are {', '.join(IMAGES)}")
    builder = find_builder()
    OUT.mkdir(exist_ok=True)
    base = asked.base
    if asked.bootstrap:
        base = BOOTSTRAPPED
        bootstrap(builder)
    wanted = {name: IMAGES[name] for name in asked.images or IMAGES}
    if asked.standins:
        wanted |= STANDINS
    report = read_report()
    for name, image in wanted.items():
        began = time.monotonic()
        wheels = bool(image["lock"]) and fetch_wheels(name, ROOT / image["lock"])
        build(builder, name, image, base, asked.tag, offline=wheels, cached=not asked.no_cache)
        size, layers = describe(builder, f"visapi/{name}:{asked.tag}")
        report[name] = {
            "bytes": size,
            "layers": layers,
            "builder": builder,
            "base": base or "pinned",
            "build_s": round(time.monotonic() - began, 1),
        }
        if name in IMAGES:
            keep_bill(builder, name, asked.tag)
        print(f"images: visapi/{name}:{asked.tag} {size / 1e6:.0f} MB", flush=True)
    (OUT / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def find_builder() -> str:
    chosen = os.environ.get("VISAPI_IMAGES_BUILDER", "")
    for name in [chosen] if chosen else ["docker", "podman", "buildah"]:
        if works(name):
            return name
    raise ImagesError(
        "needs docker with a daemon that runs, podman or buildah; on Debian: apt-get install podman runc"
    )


def works(program: str) -> bool:
    """Whether it is installed, and its daemon answers, if it has one."""
    return shutil.which(program) is not None and run_quietly([program, "info"])


def bootstrap(builder: str) -> None:
    """Make the base from Debian's packages, as the official image is made."""
    if run_quietly([builder, "inspect", BOOTSTRAPPED] if builder != "buildah" else
                   ["buildah", "inspect", "--type", "image", BOOTSTRAPPED]):  # fmt: skip
        return
    if not shutil.which("mmdebstrap"):
        raise ImagesError("--bootstrap needs mmdebstrap; on Debian: apt-get install mmdebstrap")
    archive = OUT / "base.tar"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch()}
    run(["mmdebstrap", "--quiet", "--variant=minbase", "bookworm", str(archive)], environment)
    if builder == "buildah":
        (OUT / "base").mkdir(exist_ok=True)
        (OUT / "base/Dockerfile").write_text("FROM scratch\nADD base.tar /\n", encoding="ascii")
        shutil.move(archive, OUT / "base/base.tar")
        run(["buildah", "bud", "--timestamp", epoch(), "-t", BOOTSTRAPPED, str(OUT / "base")])
        shutil.rmtree(OUT / "base")
    else:
        run([builder, "import", str(archive), BOOTSTRAPPED])
        archive.unlink()


def fetch_wheels(name: str, lock: Path) -> bool:
    """Whether the wheels of `lock` lie in `.images/wheels/<name>` now; elsewhere the build fetches them."""
    folder = OUT / "wheels" / name
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform != "linux" or platform.python_version_tuple()[:2] != ("3", "11"):
        return False
    flags = [
        "--quiet",
        "--require-hashes",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--disable-pip-version-check",
    ]
    locks = ["-r", str(lock), "-r", str(ROOT / "requirements/images/build.lock")]
    run([sys.executable, "-m", "pip", "download", *flags, "--dest", str(folder), *locks])
    return True


def build(  # noqa: PLR0913 (what a build is made of)
    builder: str, name: str, image: dict[str, str], base: str, tag: str, *, offline: bool, cached: bool
) -> None:
    flags = [*definition(image, base, offline=offline), "-t", reference(f"visapi/{name}:{tag}")]
    if not cached:
        flags.append("--no-cache")
    if builder == "docker":
        command = ["docker", "buildx", "build", "--output", "type=docker,rewrite-timestamp=true", *flags]
    else:
        command = [builder, "bud" if builder == "buildah" else "build", "--isolation", "chroot", "--layers",
                   "--timestamp", epoch(), *flags]  # fmt: skip
        if base.startswith("localhost/"):
            command.append("--pull-never")
    run([*command, "."])


def definition(image: dict[str, str], base: str, *, offline: bool) -> list[str]:
    """The flags that say what is built: Dockerfile, base, revision, time."""
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    arguments = {"SOURCE_DATE_EPOCH": epoch(), "REVISION": revision.stdout.strip() or "unknown"}
    if base:
        arguments["BASE"] = base
    if offline:
        arguments["PIP_NO_INDEX"] = "1"
    flags = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
    return [*flags, "-f", image["dockerfile"]]


def describe(builder: str, image: str) -> tuple[int, list[str]]:
    """Size in bytes and digests of the layers."""
    name = reference(image)
    if builder == "buildah":
        found = json.loads(output(["buildah", "inspect", "--type", "image", name]))
        layers = found["OCIv1"]["rootfs"]["diff_ids"]
        number, unit = json.loads(output(["buildah", "images", "--json", name]))[0]["size"].split(" ")
        size = round(float(number) * {"MB": 1e6, "GB": 1e9}[unit])
        return size, layers
    found = json.loads(output([builder, "image", "inspect", name]))[0]
    return found["Size"], found["RootFS"]["Layers"]


def keep_bill(builder: str, name: str, tag: str) -> None:
    """Copy the image's bill of materials out of it."""
    image, target = reference(f"visapi/{name}:{tag}"), OUT / f"{name}.cdx.json"
    if builder == "buildah":
        container = output(["buildah", "from", "--pull-never", image]).strip()
        shutil.copyfile(Path(output(["buildah", "mount", container]).strip()) / BILL, target)
        output(["buildah", "rm", container])
    else:
        container = output([builder, "create", image]).strip()
        output([builder, "cp", f"{container}:/{BILL}", str(target)])
        output([builder, "rm", container])


def reference(image: str) -> str:
    """The name under which docker-compose.yml and the pages look for it, whatever the builder: with docker
    `visapi/gateway` would be an image of the public registry.
    """
    return f"localhost/{image}"


def read_report() -> dict[str, object]:
    path = OUT / "report.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def epoch() -> str:
    return os.environ.get("SOURCE_DATE_EPOCH", EPOCH)


def output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if done.returncode != 0:
        raise ImagesError(f"`{' '.join(command[:4])} …` failed; the lines above say why")


def run_quietly(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
