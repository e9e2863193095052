"""Make the secrets of docker-compose.yml once, and give each container its own.

Runs in the image `visapi/admin` as root without a network, because new volumes belong to root. What is there
stays: the container may run again at any time.
"""

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from visapi.admin import nats_users
from visapi.admin.secret_files import make_secrets
from visapi_common.runtime.secret_lines import lines, newest

ACCOUNT = 65532
SECRETS = Path("/secrets")
OPERATOR = Path("/operator")
GIVEN = Path("/for")
SUPERUSER = "postgres-password"
S3_KEYS = ("s3-access-key-id", "s3-secret-access-key")
FILES: Mapping[str, tuple[str, ...]] = {
    "gateway": ("key-pepper", "link-secret", "sealing-key", "metrics-token", *S3_KEYS),
    "orchestrator": ("effect-secret", "handle-secret", "metrics-token", *S3_KEYS),
    "pdf-worker": ("metrics-token", *S3_KEYS),
    "notifier": ("handle-secret", "sealing-key", "metrics-token", *S3_KEYS),
}
OPERATORS: Mapping[str, tuple[str, ...]] = {"notifier": ("smtp-url", "slack-token")}
"""What only an operator can have, as files of the folder `/operator`; keys of S3 may lie there, too."""
DATABASE_USERS = ("gateway", "orchestrator", "notifier")
READABLE = 0o444
"""For programs of others, which run under accounts of their own; only their container has the volume."""


def main() -> None:
    made = make_secrets(SECRETS)
    for name in (SUPERUSER, "grafana-password"):
        if not (SECRETS / name).exists():
            write(SECRETS / name, secrets.token_hex(24), 0o600)
            made.append(name)
    made += keys_of_s3()
    for service, names in FILES.items():
        for name in names:
            write(GIVEN / service / name, read(name), 0o400)
        write(GIVEN / service / "nats-url", nats_url(service), 0o400)
        if service in DATABASE_USERS:
            write(GIVEN / service / "postgres-url", postgres_url(service), 0o400)
    hand_on_operators()
    write(GIVEN / "s3" / "s3.json", s3_identities(), READABLE)
    write(GIVEN / "postgres" / SUPERUSER, read(SUPERUSER), READABLE)
    write(GIVEN / "nats" / "account.conf", nats_account(), READABLE)
    for name in ("metrics-token", "grafana-password"):
        write(GIVEN / "observability" / name, read(name), READABLE)
    for folder in (SECRETS, *GIVEN.iterdir(), *Path("/volumes").iterdir()):
        hand_over(folder)
    print(f"secrets: made {len(made)}, {len(list(SECRETS.iterdir()))} in all", flush=True)


def nats_url(service: str) -> str:
    passwords = lines(read(f"nats-{service}-password"))
    return "\n".join(f"nats://{service}:{password}@nats:4222" for password in passwords)


def postgres_url(service: str) -> str:
    passwords = lines(read(f"postgres-{service}-password"))
    return "\n".join(f"postgresql://visapi_{service}:{each}@postgres:5432/visapi" for each in passwords)


def nats_account() -> str:
    users = nats_users.service_users()
    return nats_users.render_account(
        "VISAPI", users, {user.name: newest(read(f"nats-{user.name}-password")) for user in users}
    )


def keys_of_s3() -> list[str]:
    """The operator's, else such as are made once; the names of the new ones."""
    made: list[str] = []
    for name in S3_KEYS:
        if (OPERATOR / name).exists():
            write(SECRETS / name, (OPERATOR / name).read_text(encoding="utf-8"), 0o600)
        elif not (SECRETS / name).exists():
            write(SECRETS / name, f"v{secrets.token_hex(16)}", 0o600)
            made.append(name)
    return made


def hand_on_operators() -> None:
    for service, names in OPERATORS.items():
        for name in names:
            if (OPERATOR / name).exists():
                write(GIVEN / service / name, (OPERATOR / name).read_text(encoding="utf-8"), 0o400)
            else:
                (GIVEN / service / name).unlink(missing_ok=True)


def s3_identities() -> str:
    """The one account of SeaweedFS: the services', which may do everything in its buckets."""
    key, secret = map(read, S3_KEYS)
    account = {
        "name": "visapi",
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    return json.dumps({"identities": [account]})


def read(name: str) -> str:
    return (SECRETS / name).read_text(encoding="utf-8").strip()


def write(path: Path, text: str, mode: int) -> None:
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(f"{text.rstrip()}\n", encoding="utf-8")
    draft.chmod(mode)
    draft.rename(path)


def hand_over(folder: Path) -> None:
    shutil.chown(folder, ACCOUNT, ACCOUNT)
    for path in folder.rglob("*") if folder.parent != Path("/volumes") else ():
        os.chown(path, ACCOUNT, ACCOUNT, follow_symlinks=False)
    folder.chmod(0o755 if folder.parent == GIVEN else 0o700 if folder == SECRETS else 0o750)


if __name__ == "__main__":
    main()
