"""Starts the gateway: `python -m visapi_gateway`."""

import os
import sys

from visapi_common.runtime.service import Lifecycle, run_service
from visapi_common.runtime.settings import SettingsError, load
from visapi_gateway.gateway import open_gateway
from visapi_gateway.settings import GatewaySettings


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    try:
        settings = load(GatewaySettings, os.environ)
    except SettingsError as wrong:
        sys.stderr.write(f"visapi_gateway: {wrong}\n")
        return 2

    async def body(lifecycle: Lifecycle) -> None:
        async with open_gateway(settings, lifecycle) as gateway:
            await gateway.run()

    return run_service("gateway", body, settings)
