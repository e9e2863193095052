"""Each image holds what its service imports and little else, and runs without root, shell or a writable disk."""

import json

import pytest

from kit.images import IMAGES, ROOT, Engine

IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module({module!r})
names = [package.__name__]
names += [m.name for m in pkgutil.walk_packages(getattr(package, "__path__", []), package.__name__ + ".")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""
LOOK = """
import json, os, sys
found = {"uid": os.getuid(), "programs": [], "foreign": [], "writable": []}
for folder, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(folder, f) not in ("/proc", "/sys", "/dev", "/tmp")]
    if os.access(folder, os.W_OK): found["writable"].append(folder)
    for file in files:
        path = os.path.join(folder, file)
        if folder in ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/libexec"): found["programs"].append(path)
        if file in ("sh", "bash", "dash", "busybox", "gcc", "cc", "ld", "apt-get", "dpkg", "perl", "curl", "pip"):
            found["foreign"].append(path)
print(json.dumps(found))
"""


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_imports_every_module_of_its_service(name: str, engine: Engine):
    done = engine.python(name, IMPORT_ALL.format(module=IMAGES[name]["module"]))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= (1 if name == "demo" else 5)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_has_no_shell_no_compiler_and_no_package_manager(name: str, engine: Engine):
    done = engine.python(name, LOOK)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["uid"] == 65532
    assert set(found["programs"]) == {"/usr/bin/python3", "/usr/bin/python3.11"}
    assert found["foreign"] == []
    assert found["writable"] == []


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_no_larger_than_its_page_says(name: str, engine: Engine):
    size = json.loads(engine.do("image", "inspect", engine.image(name)).stdout)[0]["Size"]
    assert size <= IMAGES[name]["megabytes_max"] * 1_000_000
    page = (ROOT / "docs/how-to/install-with-compose.md").read_text()
    assert f"| `visapi/{name}` | {IMAGES[name]['megabytes_max']} MB |" in page


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_says_what_it_is_and_what_it_holds(name: str, engine: Engine):
    config = json.loads(engine.do("image", "inspect", engine.image(name)).stdout)[0]
    labels = (config.get("Config") or config).get("Labels") or config["Labels"]
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.revision"] not in ("", "unknown")
    bill = json.loads(engine.python(name, "print(open('/usr/share/sbom/visapi.cdx.json').read())").stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    kept = ROOT / f".images/{name}.cdx.json"
    assert json.loads(kept.read_text()) == bill
    parts = {part["name"]: part for part in bill["components"]}
    assert {"libc6", "msgspec", "visapi-common"} <= parts.keys()
    assert parts["msgspec"]["properties"]


@pytest.mark.parametrize("name", [name for name in IMAGES if name not in ("admin", "demo")])
def test_a_service_without_settings_says_which_is_missing(name: str, engine: Engine):
    done = engine.do("run", "--rm", "--network=none", "--read-only", engine.image(name))
    assert done.returncode == 2
    assert "VISAPI_" in done.stderr
    assert "is not set" in done.stderr


def test_chromium_prints_every_script_with_its_sandbox_on(engine: Engine):
    profile = ROOT / "deploy/seccomp/pdf-worker.json"
    done = engine.python("pdf-worker", (ROOT / "tests/images/print_scripts.py").read_text(),
                         f"--security-opt=seccomp={profile}", "--shm-size=64m")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["sandboxed"]
    assert found["bytes"] > 10_000
    families = {part.split("+")[-1] for part in found["fonts"]}
    for script, family in {
        "Latin": "LiberationSans", "Hebrew": "NotoSansHebrew", "Arabic": "Arabic", "CJK": "NotoSansCJK", "emoji": "NotoColorEmoji",
    }.items():  # fmt: skip
        assert any(family.lower() in each.lower() for each in families), (script, sorted(families))


def test_chromium_refuses_to_start_under_the_usual_profile_rather_than_without_its_sandbox(engine: Engine):
    done = engine.python("pdf-worker", (ROOT / "tests/images/print_scripts.py").read_text())
    assert done.returncode != 0
    assert "zygote" in done.stderr
