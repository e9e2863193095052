"""Jobs on definitions and inputs in this process: the same functions, without bounds."""

from collections.abc import Mapping

import msgspec

from kit.fakes.faults import Planned
from visapi_common.contracts.task_messages import FunctionSpec
from visapi_engine.compile.compiler import Compiled, compile_definition
from visapi_gateway.workflows.rules.input_schema import InputCheck, InputToCheck, check_input

_encode = msgspec.msgpack.Encoder().encode


class InlineJobs:
    """See `workflows.input_checks.Jobs`, `workflows.compiling.Compile`."""

    def __init__(self) -> None:
        self.faults = Planned()

    async def compile(
        self, tenant: str, source: bytes, media_type: str, announced: Mapping[str, FunctionSpec]
    ) -> Compiled:
        await self.faults.enter("compile")
        return compile_definition(source, media_type, announced)

    async def check_input(self, tenant: str, schema: bytes, raw: bytes) -> InputCheck:
        await self.faults.enter("check_input")
        done = check_input(_encode(InputToCheck(msgspec.Raw(schema), raw)))
        return msgspec.msgpack.decode(done, type=InputCheck)
