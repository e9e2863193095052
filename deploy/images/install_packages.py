"""Install the locked packages, or our own, into a folder of an image, compiled.

    python3.11 install_packages.py locked NAME SITE
    python3.11 install_packages.py own SITE SOURCE...

Runs while an image is built. Wheels that lie in `/build/wheels` are taken from there, else from the package
index; either way their hashes are those of `NAME.lock`. Byte code carries hashes instead of times, so that
two builds give the same bytes. Uses the standard library and pip.
"""

import compileall
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

BUILD = Path("/build")


def main() -> None:
    match sys.argv[1:]:
        case ["locked", name, folder]:
            site = Path(folder)
            pip("--require-hashes", "--target", str(site), "-r", str(BUILD / f"{name}.lock"))
        case ["own", folder, *sources]:
            site = Path(folder)
            pip("--require-hashes", "--target", str(BUILD / "tools"), "-r", str(BUILD / "build.lock"))
            for source in sources:
                install_own(Path(source), site)
        case _:
            raise SystemExit(__doc__)
    tidy(site)
    compile_tree(site)


def install_own(source: Path, site: Path) -> None:
    wheels = BUILD / "own" / source.name
    environment = {
        "PYTHONPATH": str(BUILD / "tools"),
        "PATH": "/usr/bin:/bin",
        "SOURCE_DATE_EPOCH": "1577836800",
    }
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)],
        check=True, cwd=source, env=environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    pip("--no-index", "--target", str(site), *map(str, wheels.iterdir()))


def tidy(site: Path) -> None:
    """Remove programs, and what names the folder or the way of the build."""
    shutil.rmtree(site / "bin", ignore_errors=True)
    for record in site.glob("*.dist-info"):
        for needless in ("direct_url.json", "REQUESTED", "INSTALLER", "RECORD"):
            (record / needless).unlink(missing_ok=True)


def compile_tree(folder: Path) -> None:
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for path in sorted(folder.rglob("__pycache__")):
        shutil.rmtree(path)
    compileall.compile_dir(folder, quiet=2, stripdir=str(folder), invalidation_mode=unchecked, workers=1)


def pip(*arguments: str) -> None:
    flags = ["--quiet", "--no-deps", "--no-compile", "--only-binary", ":all:", "--no-cache-dir"]
    flags += ["--disable-pip-version-check", "--root-user-action", "ignore"]
    if (BUILD / "wheels").is_dir():
        flags += ["--find-links", str(BUILD / "wheels")]
    subprocess.run([sys.executable, "-m", "pip", "install", *flags, *arguments], check=True)


if __name__ == "__main__":
    main()
