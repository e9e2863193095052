"""`visapi admin`: sets up a cluster on your own PostgreSQL and NATS."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from visapi.admin.secret_files import make_secrets, variables
from visapi.admin.tenants import check_tenant
from visapi.cli.admin_capacity import capacity
from visapi.cli.admin_database import migrate, roles
from visapi.cli.admin_doctor import doctor
from visapi.cli.admin_keys import keys
from visapi.cli.admin_nats import nats_config
from visapi.cli.admin_restored import restored
from visapi.cli.admin_rotation import reseal, rotate, rotation
from visapi.cli.admin_tenants import tenants
from visapi.cli.admin_work import Tenants, usage_errors
from visapi.cli.output import console, say

admin = typer.Typer(
    no_args_is_help=True, help="Make a cluster: roles, schema, NATS users, tenants, first keys."
)


@admin.command()
def secrets(
    folder: Annotated[Path, typer.Argument(help="The directory of the files; made where it does not exist.")],
    tenant: Tenants = None,
) -> None:
    """Make every secret of a cluster, a file each, and print the settings that name the files to `visapi
    admin`: eval "$(visapi admin secrets DIRECTORY)". An existing file stays unchanged.
    """
    with usage_errors():
        wanted = [check_tenant(each) for each in tenant or []]
    made = make_secrets(folder, wanted)
    say(f"made {len(made)} secrets in {folder}" if made else f"all secrets are in {folder}")
    for name, path in variables(folder, wanted).items():
        console().print(f"export {name}={shlex.quote(str(path))}")


for _command in (roles, migrate, doctor, restored, capacity, rotate, reseal, rotation):
    admin.command()(_command)
admin.command(name="nats-config")(nats_config)
admin.add_typer(tenants, name="tenant")
admin.add_typer(keys, name="key")
