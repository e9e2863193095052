"""Fixtures of the attacks: one stack for each file, an attacker's tenant, and the bystander.

A file that needs other settings of the stack defines `STACK_SETTINGS`, a mapping of `VISAPI_*` variables.
Tests of this folder run in the module's event loop: `pytestmark = pytest.mark.asyncio(loop_scope="module")`.
"""

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from attacks.bystander import Bystander
from attacks.harness import AttackStack, Tenant, attack_stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(request: pytest.FixtureRequest) -> AsyncIterator[AttackStack]:
    """The stack that the file attacks."""
    settings: Mapping[str, str] = getattr(request.module, "STACK_SETTINGS", {})
    async with attack_stack(settings) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacker(stack: AttackStack) -> Tenant:
    """A tenant with a key that may do everything its tenant may."""
    return await stack.tenant("attacker")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bystander(stack: AttackStack) -> Bystander:
    """Another tenant, who must notice nothing."""
    return Bystander(stack, await stack.tenant("bystander"))
