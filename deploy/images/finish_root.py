"""Make a folder of Debian files an image's root: accounts, merged folders, byte code, what was installed.

    python3.11 finish_root.py TARGET

Runs while an image is built; uses the standard library only.
"""

import shutil
import sys
from pathlib import Path

from install_packages import compile_tree

ACCOUNT = 65532
ARTIFACTS = "var/lib/visapi/artifacts"


def main() -> None:
    target = Path(sys.argv[1])
    for name in ("bin", "sbin", "lib", "lib64"):
        (target / "usr" / name).mkdir(parents=True, exist_ok=True)
        (target / name).symlink_to(f"usr/{name}")
    for name in ("passwd", "group"):
        shutil.copyfile(Path(__file__).with_name(name), target / "etc" / name)
    names = "passwd: files\ngroup: files\nhosts: files dns\n"
    (target / "etc/nsswitch.conf").write_text(names, encoding="ascii")
    (target / "usr/bin/python3").unlink(missing_ok=True)
    (target / "usr/bin/python3").symlink_to("python3.11")
    (target / "tmp").mkdir(exist_ok=True)
    (target / "tmp").chmod(0o1777)
    (target / ARTIFACTS).mkdir(parents=True)
    for folder in (target / "var/lib/visapi", target / ARTIFACTS):
        shutil.chown(folder, ACCOUNT, ACCOUNT)
    for name in ("proc", "sys", "dev", "run"):
        (target / name).mkdir(exist_ok=True)
    compile_tree(target / "usr/lib/python3.11")


if __name__ == "__main__":
    main()
