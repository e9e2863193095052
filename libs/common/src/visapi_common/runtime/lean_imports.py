"""Keeps optional packages out of service processes.

structlog imports rich for coloured tracebacks, and httpx imports rich for a command line of its own, wherever
rich is installed, as beside the `visapi` command. No service uses either; they take 4 MB of each process.
"""

import sys

OPTIONAL = ("rich", "pygments")
"""Packages that libraries of the services import only where they are installed."""


def leave_out_optional_imports() -> None:
    """Make a later import of an `OPTIONAL` package raise `ModuleNotFoundError` in this process."""
    for package in OPTIONAL:
        if package not in sys.modules:
            # The documented way to refuse an import: Python reference, section 5.3.1.
            sys.modules[package] = None  # type: ignore[assignment]
