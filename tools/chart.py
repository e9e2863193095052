"""Writes what of the Helm chart follows from code: values.schema.json, and the table of values in README.md.

python tools/chart.py            write what changed
python tools/chart.py --check    1 when a file is stale (a test runs this)
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from chart_values import KEYS, Schema, schema

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "deploy" / "helm" / "visapi"
BLOCK = re.compile(r"(<!-- generated: values -->\n).*?(<!-- end generated -->)", re.DOTALL)


def main() -> int:
    described = schema()
    values: Any = msgspec.yaml.decode((CHART / "values.yaml").read_bytes())
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    table = "\n".join(rows(described, values))
    wanted = {
        CHART / "values.schema.json": json.dumps(_shared_once(described), indent=1, ensure_ascii=False)
        + "\n",
        CHART / "README.md": BLOCK.sub(lambda found: f"{found[1]}{table}\n{found[2]}", readme),
    }
    stale = [
        path
        for path, content in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]
    check = "--check" in sys.argv[1:]
    for path in stale:
        print(f"{path.relative_to(ROOT)}: {'stale; run python tools/chart.py' if check else 'written'}")
        if not check:
            path.write_text(wanted[path], encoding="utf-8")
    return 1 if check and stale else 0


def _shared_once(described: Schema) -> Schema:
    """The schema in which services refer to what `defaults` says already."""
    properties: dict[str, Schema] = described["properties"]
    shared: dict[str, Schema] = properties["defaults"]["properties"]
    short = {
        name: {"$ref": f"#/properties/defaults/properties/{name}"}
        for name in shared
        if name not in ("settings", "enabled")
    }
    services = {
        key: {**properties[key], "properties": {**properties[key]["properties"], **short}} for key in KEYS
    }
    return {**described, "properties": {**properties, **services}}


def rows(described: Schema, values: Any) -> Iterator[str]:
    """The table: a row per value; of a service only what it sets itself or has alone."""
    yield "| value | default | meaning |"
    yield "|---|---|---|"
    shared = set(described["properties"]["defaults"]["properties"])
    for name, shape in described["properties"].items():
        if name not in KEYS:
            yield from _rows(name, shape, values.get(name))
            continue
        yield f"| `{name}` | | {shape['description']} |"
        for own, inner in shape["properties"].items():
            if own not in shared or own in values[name]:
                yield from _rows(f"{name}.{own}", _narrowed(inner, values[name][own]), values[name][own])


def _narrowed(shape: Schema, value: Any) -> Schema:
    """A group with only those properties that the value has."""
    inner: dict[str, Schema] | None = shape.get("properties")
    if not inner or not isinstance(value, dict):
        return shape
    return {
        **shape,
        "properties": {name: _narrowed(each, value[name]) for name, each in inner.items() if name in value},
    }


def _rows(path: str, shape: Schema, value: Any) -> Iterator[str]:
    inner: dict[str, Schema] = {} if path.endswith(".settings") else shape.get("properties", {})
    default = "" if inner else f"`{json.dumps(value, ensure_ascii=False)}`".replace("|", "\\|")
    yield f"| `{path}` | {default} | {shape['description']}{_bounds(shape)} |"
    for name, each in inner.items():
        yield from _rows(f"{path}.{name}", each, value[name] if value and name in value else None)


def _bounds(shape: Schema) -> str:
    if "enum" in shape:
        return f" One of {', '.join(f'`{choice}`' for choice in shape['enum'])}."
    if "minimum" in shape and "maximum" in shape:
        return f" {shape['minimum']} to {shape['maximum']}."
    return ""


if __name__ == "__main__":
    sys.exit(main())
