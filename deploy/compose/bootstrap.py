"""What docker-compose.yml needs in PostgreSQL: roles, database, schema, the tenant `default`.

Runs in the image `visapi/admin`; each command may be repeated. Its settings are those of `visapi admin`.
"""

import sys

from visapi.cli.admin_commands import admin

for command in (["roles"], ["migrate"], ["tenant", "create", "default"]):
    if code := admin(command, prog_name="visapi admin", standalone_mode=False):
        sys.exit(code)
