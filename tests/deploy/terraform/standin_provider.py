"""A provider of Terraform that answers from a transcribed schema: configurations are checked against names and types, and
what is applied is what was planned. Runs in the environment of the package `tf`, which speaks the plugin protocol.

    python standin_provider.py NAME    NAME.json of the folder schemas
"""

import json
import sys
from pathlib import Path
from typing import Any

from tf.gen import tfplugin_pb2 as pb  # pyright: ignore[reportMissingImports]
from tf.runner import run_provider  # pyright: ignore[reportMissingImports]
from tf.schema import Attribute, Block, NestedBlock, NestMode, Schema  # pyright: ignore[reportMissingImports]
from tf.types import TfType, Unknown  # pyright: ignore[reportMissingImports]

HERE = Path(__file__).resolve().parent
NESTING = {"single": 1, "list": 2, "set": 3, "map": 4}
"""As the protocol numbers them, for blocks and for attributes that hold attributes."""
MADE = {"string": "made-by-the-stand-in", "number": 1, "bool": True}
ANSWERS: dict[str, dict[str, Any]] = {
    "supabase_pooler": {"url": {"transaction": "postgres://postgres.ref@pooler.example.com:6543/postgres"}}
}
"""What a data source answers where its form matters."""


class AsWritten(TfType):
    """Any type: values stay as the wire has them."""

    def __init__(self, written: Any) -> None:
        self.written = written

    def encode(self, value: Any) -> Any:
        return value

    def decode(self, value: Any) -> Any:
        return value

    def tf_type(self) -> bytes:
        return json.dumps(self.written).encode()


class Holder(Attribute):
    """An attribute that holds attributes."""

    def __init__(self, name: str, described: dict[str, Any]) -> None:
        super().__init__(name, AsWritten("dynamic"), **_flags(described))
        self.nested = described["nested"]
        self.holds = _attributes(described)

    def to_pb(self) -> Any:
        held = pb.Schema.Object(
            attributes=[each.to_pb() for each in self.holds], nesting=NESTING[self.nested]
        )
        return pb.Schema.Attribute(
            name=self.name, nested_type=held, required=bool(self.required), optional=bool(self.optional),
            computed=bool(self.computed), sensitive=bool(self.sensitive),
        )  # fmt: skip


class Nested(NestedBlock):
    """A block within a block."""

    def __init__(self, name: str, described: dict[str, Any]) -> None:
        inner = described["block"]
        super().__init__(
            name, NestMode.Set, Block(attributes=_attributes(inner), block_types=_blocks(inner)),
            described.get("min"), described.get("max"),
        )  # fmt: skip
        self.nested = described["mode"]

    def to_pb(self) -> Any:
        return pb.Schema.NestedBlock(
            type_name=self.type_name, block=self.block.to_pb(), min_items=self.min_items, max_items=self.max_items,
            nesting=NESTING[self.nested],
        )  # fmt: skip

    def encode(self, value: Any) -> Any:
        return value

    def decode(self, value: Any) -> Any:
        return value

    def semantically_equal(self, a_decoded: Any, b_decoded: Any) -> bool:
        return a_decoded == b_decoded


def _flags(described: dict[str, Any]) -> dict[str, bool]:
    return {flag: described.get(flag, False) for flag in ("required", "optional", "computed", "sensitive")}


def _attributes(described: dict[str, Any]) -> list[Attribute]:
    return [
        Holder(name, each) if "nested" in each else Attribute(name, AsWritten(each["type"]), **_flags(each))
        for name, each in described.get("attributes", {}).items()
    ]


def _blocks(described: dict[str, Any]) -> list[NestedBlock]:
    return [Nested(name, each) for name, each in described.get("blocks", {}).items()]


def _schema(described: dict[str, Any]) -> Schema:
    return Schema(attributes=_attributes(described), block_types=_blocks(described), version=0)


class Anything:
    """What resources and data sources have in common."""

    name = ""
    schema = Schema()

    def __init__(self, _provider: Any) -> None: ...

    @classmethod
    def get_name(cls) -> str:
        return cls.name

    @classmethod
    def get_schema(cls) -> Schema:
        return cls.schema

    def validate(self, diags: Any, type_name: str, config: Any) -> None: ...


class Thing(Anything):
    """A resource: what was planned comes to be."""

    def create(self, ctx: Any, planned: dict[str, Any]) -> dict[str, Any]:
        kinds = {each.name: each.type.written for each in self.schema.attributes}
        return {
            name: _made(kinds.get(name)) if value is Unknown else value for name, value in planned.items()
        }

    def read(self, ctx: Any, current: dict[str, Any]) -> dict[str, Any]:
        return current

    def update(self, ctx: Any, current: dict[str, Any], planned: dict[str, Any]) -> dict[str, Any]:
        return self.create(ctx, planned)

    def delete(self, ctx: Any, current: dict[str, Any]) -> None:
        return None

    def plan(self, ctx: Any, current: Any, planned: dict[str, Any]) -> dict[str, Any]:
        return planned


class Source(Anything):
    """A data source."""

    def read(self, ctx: Any, config: dict[str, Any]) -> dict[str, Any]:
        kinds = {each.name: each.type.written for each in self.schema.attributes if each.computed}
        made = {name: _made(kind) for name, kind in kinds.items()}
        return {**config, **made, **ANSWERS.get(ctx.type_name, {})}


def _made(kind: Any) -> Any:
    return (
        MADE[kind]
        if isinstance(kind, str) and kind in MADE
        else {}
        if isinstance(kind, list) and kind[0] == "map"
        else []
    )


class StandIn:
    """The provider; `tf` asks it for its parts."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.described = json.loads((HERE / "schemas" / f"{name}.json").read_text(encoding="utf-8"))

    def get_model_prefix(self) -> str:
        return f"{self.name}_"

    def full_name(self) -> str:
        return f"registry.terraform.io/stand-in/{self.name}"

    def get_provider_schema(self, diags: Any) -> Schema:
        return _schema(self.described["provider"])

    def validate_config(self, diags: Any, config: Any) -> None: ...

    def configure_provider(self, diags: Any, config: Any) -> None: ...

    def get_functions(self) -> list[Any]:
        return []

    def get_resources(self) -> list[type[Thing]]:
        return self._parts("resources", Thing)

    def get_data_sources(self) -> list[type[Source]]:
        return self._parts("data-sources", Source)

    def _parts(self, kind: str, of: Any) -> Any:
        return [
            type(name, (of,), {"name": name.removeprefix(self.get_model_prefix()), "schema": _schema(each)})
            for name, each in self.described.get(kind, {}).items()
        ]

    def new_resource(self, made: Any) -> Any:
        return made(self)

    new_data_source = new_resource


if __name__ == "__main__":
    run_provider(StandIn(sys.argv[1]), [sys.argv[0]])
