"""`workflows.compiling.Compile`, `workflows.input_checks.Jobs`, `artifacts.service.ArtifactSource` and
`audit.retention.Exports`: bounded processes and files beside their fakes.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kit.fakes.artifacts import FakeArtifacts
from kit.fakes.gateway.jobs import InlineJobs
from visapi_common.adapters.artifacts import ArtifactStore
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_common.core.errors import ProblemError
from visapi_common.telemetry.setup import open_metrics
from visapi_engine.compile.compiler import DefinitionInvalid
from visapi_gateway.artifacts.store import ArtifactSource
from visapi_gateway.kernel.bounded_jobs import BoundedJobs
from visapi_gateway.workflows.jobs import CHECK_INPUT, COMPILE, DefinitionJobs

HEAD = b"document: {dsl: '1.0.3', namespace: test, name: flow, version: '1.0.0'}\n"


@pytest.fixture(params=["fake", "processes"])
async def jobs(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    if request.param == "fake":
        yield InlineJobs()
        return
    bounded = BoundedJobs((COMPILE, CHECK_INPUT), open_metrics(), ())
    yield DefinitionJobs(bounded)
    await bounded.close()


class TestJobs:
    async def test_a_definition_is_compiled_against_announced_functions(self, jobs: Any):
        source = HEAD + b"do: [{a: {call: acme.a}}]"
        announced = {"acme.a": FunctionSpec("acme.a")}
        compiled = await jobs.compile("t", source, "application/yaml", announced)
        assert (compiled.program.name, compiled.warnings) == ("flow", [])
        assert (await jobs.compile("t", source, "application/yaml", {})).warnings != []

    async def test_every_mistake_of_a_definition_is_listed(self, jobs: Any):
        source = HEAD + b"do: [{a: {sett: 1}}, {b: {sett: 1}}]"
        with pytest.raises(DefinitionInvalid) as invalid:
            await jobs.compile("t", source, "application/yaml", {})
        assert len(invalid.value.errors) == 2

    @pytest.mark.parametrize(
        ("schema", "mistakes", "unusable"),
        [
            ({"type": "object"}, [""], False),
            ({"type": "integer"}, [], False),
            ({"type": "nonsense"}, [], True),
        ],
    )
    async def test_an_input_is_checked_against_a_schema(
        self, jobs: Any, schema: Any, mistakes: list[str], unusable: bool
    ):
        check = await jobs.check_input("t", msgspec.msgpack.encode(schema), b"1")
        assert ([one.pointer for one in check.mistakes], bool(check.unusable)) == (mistakes, unusable)


@pytest.fixture(params=["fake", "files"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Any]:
    """Where artifacts are put, and where they are read."""
    if request.param == "fake":
        fake = FakeArtifacts()
        return fake, fake
    store = ArtifactStore.open(f"file://{tmp_path}")
    return store, ArtifactSource(store)


class TestArtifacts:
    async def test_an_artifact_is_read_by_its_tenant_alone(self, artifacts: tuple[Any, Any]):
        exports, source = artifacts
        ref = await exports.put("mine", b"a,b\n" * 1000, "pdf", "application/pdf", "table.pdf")
        assert (ref.size, ref.name, ref.id) == (4000, "table.pdf", f"{ref.sha256}.pdf")
        assert await source.size("mine", ref.id) == 4000
        chunks = [bytes(chunk) async for chunk in source.stream("mine", ref.id)]
        assert b"".join(chunks) == b"a,b\n" * 1000
        part = [bytes(chunk) async for chunk in source.stream("mine", ref.id, (1, 6))]
        assert b"".join(part) == b",b\na,"
        assert source.media_type(ref.id) == "application/pdf"
        assert await source.size("other", ref.id) is None
        with pytest.raises(ProblemError):
            [chunk async for chunk in source.stream("other", ref.id)]

    async def test_the_same_bytes_are_one_artifact(self, artifacts: tuple[Any, Any]):
        exports, _ = artifacts
        assert await exports.put("mine", b"1", "json", "application/json") == await exports.put(
            "mine", b"1", "json", "application/json"
        )

    async def test_a_removed_artifact_can_be_put_again(self, artifacts: tuple[Any, Any]):
        exports, source = artifacts
        ref = await exports.put("mine", b"1", "pdf", "application/pdf")
        await exports.put("other", b"1", "pdf", "application/pdf")
        seen = await source.find("mine", ref.id)
        for _ in range(2):
            await source.remove("mine", ref.id, seen)
            assert await source.size("mine", ref.id) is None
        assert await source.size("other", ref.id) == 1
        assert await exports.put("mine", b"1", "pdf", "application/pdf") == ref
        assert await source.size("mine", ref.id) == 1

    async def test_bytes_that_are_put_again_while_they_are_removed_stay(self, artifacts: tuple[Any, Any]):
        exports, source = artifacts
        ref = await exports.put("mine", b"1", "pdf", "application/pdf")
        seen = await source.find("mine", ref.id)
        await exports.put("mine", b"1", "pdf", "application/pdf")
        await source.remove("mine", ref.id, seen)
        assert await source.size("mine", ref.id) == 1

    async def test_what_is_no_id_has_no_size(self, artifacts: tuple[Any, Any]):
        assert await artifacts[1].size("mine", "../../etc/passwd") is None
