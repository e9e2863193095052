"""A disk of its own for PostgreSQL, which is small and can be filled."""

import asyncio
import base64
import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx

from drills.patient import Patient
from kit import prepared_data
from kit.deploy_tools import cannot_run_here
from visapi.stack import postgres

_DISK = "1200m"
_LEFTOVER = "core.4711"
_LARGE, _SMALL, _TOGETHER = 48_000, 600, 16
"""Bytes of inputs, and how many small ones are sent at the same time."""
_GIVE_UP_S = 120.0
_REFUSED_S = 4.0
"""For how long nothing may be accepted before the disk counts as full."""
_SPEAK = b"""
document: {dsl: '1.0.3', namespace: operations, name: speak, version: '1.0.0'}
do:
  - note: {set: {said: "${ .text }"}}
"""


@contextlib.contextmanager
def folder_of_drills(*, small_disk: bool) -> Iterator[Path]:
    """A folder with prepared data. With `small_disk` its cluster lies on a small file system, where this machine may
    mount one.
    """
    folder = Path(tempfile.mkdtemp(prefix="visapi-drills-"))
    folder.chmod(0o711)
    data = folder / "data"
    prepared_data.copy_to(data)
    place = postgres.place_of(data)
    mounted = small_disk and _mounted(place)
    try:
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", place], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def _mounted(place: Path) -> bool:
    """Move what lies there onto a file system of its own."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    beside = place.with_name(f"{place.name}.beside")
    subprocess.run(["cp", "-a", place, beside], check=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_DISK},mode=0711", "visapi-drill", place], check=False
    )
    if done.returncode == 0:
        subprocess.run(["cp", "-a", f"{beside}/.", place], check=True)
    shutil.rmtree(beside)
    return done.returncode == 0


async def begin(patient: Patient) -> None:
    """Somebody's file takes what is left of the disk, and runs are started until PostgreSQL finds room for none."""
    place = postgres.place_of(patient.data.root)
    if not place.is_mount():
        cannot_run_here("mounting a small file system needs root")
    target = await patient.deploy(_SPEAK)
    loop = asyncio.get_running_loop()
    give_up = loop.time() + _GIVE_UP_S
    accepted_at = loop.time()
    while loop.time() < accepted_at + _REFUSED_S:
        assert loop.time() < give_up, "the disk takes more and more"
        # A server that starts again after it found no room may have freed some.
        await asyncio.to_thread(_fill, place)
        sizes = (_LARGE, *[_SMALL] * _TOGETHER)
        answers = await asyncio.gather(*(_is_accepted(patient, target, size) for size in sizes))
        if any(answers):
            accepted_at = loop.time()


async def _is_accepted(patient: Patient, target: str, size: int) -> bool:
    text = base64.b64encode(os.urandom(size)).decode()
    with contextlib.suppress(httpx.TransportError):
        return (await patient.client.post(target, json={"text": text})).status_code == httpx.codes.ACCEPTED
    return False


def _fill(place: Path) -> None:
    """Let the file take everything that is free."""
    disk = os.statvfs(place)
    with (place / _LEFTOVER).open("ab") as file, contextlib.suppress(OSError):
        os.posix_fallocate(file.fileno(), file.tell(), max(1, disk.f_bavail * disk.f_frsize))
