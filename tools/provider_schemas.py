"""Transcribes schemas of Terraform providers that cannot be had here, from their repositories' documentation.

    python tools/provider_schemas.py NAME DOCS    NAME is a provider of `PROVIDERS`, DOCS its folder `docs`

Writes tests/deploy/terraform/schemas/NAME.json: the resources that terraform/ uses, names and types. Pages
of terraform-plugin-docs name each argument with its type, so that nothing is guessed. What they do not tell:
which optional arguments the provider fills in by itself, and the checks that its code makes.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parent.parent / "tests" / "deploy" / "terraform" / "schemas"

Schema = dict[str, Any]

PROVIDERS: dict[str, dict[str, list[str]]] = {
    "grafana": {"resources": ["contact_point", "dashboard", "folder", "notification_policy", "rule_group"]},
    "render": {"resources": ["background_worker", "private_service", "web_service"]},
    "helm": {"resources": ["release"]},
    "supabase": {"resources": ["project", "settings"], "data-sources": ["pooler"]},
}
HELM_OPTIONS = [
    "burst_limit", "debug", "helm_driver", "plugins_path", "qps", "registry_config_path", "repository_cache",
    "repository_config_path",
]  # fmt: skip
KUBERNETES = [
    "client_certificate", "client_key", "cluster_ca_certificate", "config_context", "config_path", "host",
    "password", "proxy_url", "tls_server_name", "token", "username",
]  # fmt: skip
HELM: Schema = {
    "attributes": {
        **{name: {"optional": True, "type": "string"} for name in HELM_OPTIONS},
        "kubernetes": {
            "optional": True,
            "nested": "single",
            "attributes": {
                **{name: {"optional": True, "type": "string"} for name in KUBERNETES},
                "config_paths": {"optional": True, "type": ["list", "string"]},
                "insecure": {"optional": True, "type": "bool"},
                "exec": {
                    "optional": True,
                    "nested": "single",
                    "attributes": {
                        "api_version": {"required": True, "type": "string"},
                        "command": {"required": True, "type": "string"},
                        "args": {"optional": True, "type": ["list", "string"]},
                        "env": {"optional": True, "type": ["map", "string"]},
                    },
                },
            },
        },
    }
}
"""The page of Helm's provider is written by hand, without types; this is what it says."""
ATTRIBUTES_ONLY = {"helm"}
"""Providers whose pages say `Block` where their code has attributes that hold objects."""

SIMPLE = {"String": "string", "Number": "number", "Boolean": "bool", "Dynamic": "dynamic"}
LINE = re.compile(r"^- `(\w+)` \(([^)]+)\)")
SECTION = re.compile(r"^(?:#+ )?(Required|Optional|Read-Only):?$")
NESTED = re.compile(r"^### Nested Schema for `([\w.]+)`$")


def main() -> int:
    name, docs = sys.argv[1], Path(sys.argv[2])
    blocks = name not in ATTRIBUTES_ONLY
    written: Schema = {"provider": HELM if name == "helm" else page(docs / "index.md", blocks)}
    for kind, resources in PROVIDERS[name].items():
        written[kind] = {f"{name}_{each}": page(docs / kind / f"{each}.md", blocks) for each in resources}
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.json"
    path.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{path}: {sum(len(each) for each in PROVIDERS[name].values())} schemas")
    return 0


def page(path: Path, blocks: bool) -> Schema:
    """The schema that a page shows; empty where the page has none."""
    text = path.read_text(encoding="utf-8").partition("\n## Schema\n")[2]
    return block("", _lines(text.partition("\n## ")[0]), blocks)


Lines = dict[str, list[tuple[str, str, str]]]
"""By the path of what holds them: name, type and section of each argument."""


def _lines(text: str) -> Lines:
    found: Lines = {"": []}
    place, section = "", ""
    for line in text.splitlines():
        if nested := NESTED.match(line):
            place = nested[1]
            found[place] = []
        elif heading := SECTION.match(line):
            section = heading[1]
        elif argument := LINE.match(line):
            found[place].append((argument[1], argument[2], section))
    return found


def block(place: str, lines: Lines, blocks: bool) -> Schema:
    made: Schema = {"attributes": {}, "blocks": {}}
    for name, kind, section in lines.get(place, []):
        inner = f"{place}.{name}".lstrip(".")
        words = [word.strip() for word in kind.split(",")]
        if words[0].startswith("Block") and blocks:
            made["blocks"][name] = _block_of(inner, words, lines)
        else:
            made["attributes"][name] = _attribute(inner, words, section, lines)
    return {key: each for key, each in made.items() if each}


def _block_of(inner: str, words: list[str], lines: Lines) -> Schema:
    bounds = {key.lower(): int(count) for key, _, count in (word.partition(": ") for word in words) if count}
    mode = words[0].removeprefix("Block").strip().lower() or "single"
    return {"mode": mode, **bounds, "block": block(inner, lines, blocks=True)}


def _attribute(inner: str, words: list[str], section: str, lines: Lines) -> Schema:
    flag = {"Required": "required", "Optional": "optional", "Read-Only": "computed"}[section]
    made: Schema = {flag: True}
    if "Sensitive" in words:
        made["sensitive"] = True
    if "Write-only" in words:
        made["write_only"] = True
    nested = re.fullmatch(r"(?:Attributes?|Block)\s*(List|Set|Map)?", words[0])
    if nested:
        holds = block(inner, lines, blocks=False)
        return {**made, "nested": (nested[1] or "Single").lower(), **holds}
    return {**made, "type": _type(words[0], inner, lines)}


def _type(text: str, inner: str, lines: Lines) -> Any:
    if text in SIMPLE:
        return SIMPLE[text]
    if text == "Object":
        return [
            "object",
            {
                name: _type(kind.split(",")[0], f"{inner}.{name}", lines)
                for name, kind, _ in lines.get(inner, [])
            },
        ]
    found = re.fullmatch(r"(List|Set|Map) of (.+)", text)
    if found is None:
        raise ValueError(f"{inner}: the type {text!r} is unknown")
    return [found[1].lower(), _type(found[2], inner, lines)]


if __name__ == "__main__":
    sys.exit(main())
