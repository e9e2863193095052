"""Fixtures of the attacks: a stack, an attacker's tenant, and the bystander.

The files share one stack. A file that defines `STACK_SETTINGS`, a mapping of `VISAPI_*` variables, has one of its own: with
other settings, or because it counts what the whole stack did or ends parts of it.
Tests of this folder run in the module's event loop: `pytestmark = pytest.mark.asyncio(loop_scope="module")`.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from attacks.bystander import Bystander, Seen, Work
from attacks.harness import AttackStack, CommonStack, Tenant, attack_stack


class Common(CommonStack):
    """What all files that share the stack know of it."""

    def __init__(self) -> None:
        super().__init__()
        self.alone: dict[Work, Seen] = {}
        """What the bystander sees without any attack."""


@pytest.fixture(scope="package")
def common() -> Iterator[Common]:
    """Started by the first file that needs it, taken down after the last of this folder."""
    kept = Common()
    yield kept
    kept.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(request: pytest.FixtureRequest, common: Common) -> AsyncIterator[AttackStack]:
    """The stack that the file attacks."""
    settings: Mapping[str, str] | None = getattr(request.module, "STACK_SETTINGS", None)
    mark = f"-{Path(request.path).stem.removeprefix('test_').replace('_', '-')}"
    shared = attack_stack({}, common, mark) if settings is None else attack_stack(settings)
    async with shared as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacker(stack: AttackStack) -> Tenant:
    """A tenant with a key that may do everything its tenant may."""
    return await stack.tenant("attacker")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bystander(request: pytest.FixtureRequest, stack: AttackStack, common: Common) -> Bystander:
    """Another tenant, who must notice nothing."""
    alone = {} if hasattr(request.module, "STACK_SETTINGS") else common.alone
    return Bystander(stack, await stack.tenant("bystander"), alone)
