"""Under which name tasks of a function are counted. Pure.

Tenants choose the names of their own functions, as many as they like. Each would be a time series for as long
as the process lives, so they share one.
"""

from typing import Final

from visapi_engine.compile.functions import WORKER_FUNCTIONS

OWN: Final = "own"
_BUILT_IN: Final = frozenset(WORKER_FUNCTIONS)


def counted_as(function: str) -> str:
    """The value of the label `function`: the name of a built-in one, or `own`."""
    return function if function in _BUILT_IN else OWN
