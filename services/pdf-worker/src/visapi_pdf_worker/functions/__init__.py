"""One folder for each function.

- `function.py` declares the function as `FUNCTION`: its name, effect class, limits.
- `rules/` reads inputs and decides; pure.
- `service.py` is the use case; `opening.py` opens it: `open_handler(dependencies)`.

The two functions below find each folder; no list names the functions.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from visapi_pdf_worker.declaring import Dependencies, Function

if TYPE_CHECKING:  # see declaring.py
    from visapi_common.worker.worker import Worker


@cache
def declared() -> Mapping[str, Function]:
    """Every function, by its name."""
    functions: list[Function] = [_part(folder, "function").FUNCTION for folder in _folders()]
    return {function.name: function for function in functions}


def register(worker: "Worker", dependencies: Dependencies) -> None:
    """Serve every function."""
    settings = dependencies.settings
    for folder in _folders():
        function: Function = _part(folder, "function").FUNCTION
        worker.function(
            function.name,
            effect=function.effect,
            timeout_s=function.timeout_s(settings),
            concurrency=function.concurrency(settings),
            local=function.local(settings),
            description=function.description,
        )(_part(folder, "opening").open_handler(dependencies))


def _folders() -> list[str]:
    return sorted(module.name for module in iter_modules(__path__) if module.ispkg)


def _part(folder: str, part: str) -> Any:
    return import_module(f"{__name__}.{folder}.{part}")
