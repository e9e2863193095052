"""Write docs/security/threat-model.md and asvs.md from the tables beside them.

    python tools/threat_model.py            write what changed
    python tools/threat_model.py --check    1 when a page is stale, or a table names what does not exist

`model.toml` has parts, flows and threats; `asvs.toml` the items of OWASP ASVS 5.0.0 up to level 2.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs/security"
KINDS = {
    "S": "spoofing",
    "T": "tampering",
    "R": "repudiation",
    "I": "information disclosure",
    "D": "denial of service",
    "E": "elevation of privilege",
}
OF_PART = {"external": "SR", "process": "STRIDE", "store": "TID"}
"""The kinds of threats that a part of each kind has (STRIDE per element)."""
STANDINGS = ("met", "operator", "partly", "no")
BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end generated -->)", re.DOTALL)

Table = Mapping[str, Any]


def main() -> int:
    check = "--check" in sys.argv[1:]
    model, asvs = load("model"), load("asvs")
    wrong = [*mistakes(model, date.today()), *asvs_mistakes(asvs)]  # noqa: DTZ011 (a day of review)
    for mistake in wrong:
        print(f"threat-model: {mistake}")
    parts = {
        "diagram": list(diagram(model)),
        "parts": list(parts_table(model)),
        "threats": list(threats_table(model)),
        "accepted": list(accepted_table(model)),
        "asvs": list(asvs_table(asvs)),
    }
    stale = [name for name in ("threat-model", "asvs") if write(FOLDER / f"{name}.md", parts, check=check)]
    for name in stale:
        print(f"docs/security/{name}.md: {'stale; run python tools/threat_model.py' if check else 'written'}")
    return 1 if wrong or (check and stale) else 0


def joined(parts: Mapping[str, Sequence[str]], name: str) -> str:
    return "\n".join(parts[name])


def load(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def write(page: Path, parts: Mapping[str, Sequence[str]], *, check: bool) -> bool:
    """Put the generated parts into a page; whether it changes."""
    before = page.read_text(encoding="utf-8")
    after = BLOCK.sub(lambda found: f"{found[1]}{joined(parts, found[2])}\n{found[3]}", before)
    if after != before and not check:
        page.write_text(after, encoding="utf-8")
    return after != before


# ---- what the tables must hold


def mistakes(model: Table, today: date) -> Iterator[str]:
    """Everything that keeps the model from being whole."""
    parts = {part["id"]: part for part in model["part"]}
    for flow in model["flow"]:
        yield from (f"a flow names the part {end}" for end in (flow["from"], flow["to"]) if end not in parts)
    ids = [threat["id"] for threat in model["threat"]]
    yield from (f"{each} stands twice" for each in sorted({one for one in ids if ids.count(one) > 1}))
    for threat in model["threat"]:
        if threat["part"] not in parts or threat["kind"] not in KINDS:
            yield f"{threat['id']} is of no part or of no kind"
        yield from _answered(threat, today)
    for part in parts.values():
        seen = {threat["kind"] for threat in model["threat"] if threat["part"] == part["id"]}
        expected = part.get("kinds", OF_PART[part["kind"]])
        yield from (f"{part['id']} has no threat of {KINDS[kind]}" for kind in expected if kind not in seen)


def _answered(threat: Table, today: date) -> Iterator[str]:
    tests, accepted = threat.get("tests", []), threat.get("accepted")
    if bool(tests) == bool(accepted):
        yield f"{threat['id']} needs tests or an acceptance, and not both"
    yield from (f"{threat['id']} names {test}, which does not exist" for test in tests if not exists(test))
    if accepted:
        lacking = {"on", "by", "why", "review"} - set(accepted)
        if lacking:
            yield f"{threat['id']} is accepted without {', '.join(sorted(lacking))}"
        elif accepted["review"] < today:
            yield f"{threat['id']} was to be looked at again on {accepted['review']}"


def asvs_mistakes(asvs: Table) -> Iterator[str]:
    numbers = [item["id"] for item in asvs["item"]]
    yield from (
        f"ASVS {each} stands twice" for each in sorted({one for one in numbers if numbers.count(one) > 1})
    )
    for item in asvs["item"]:
        if not re.fullmatch(r"\d{1,2}\.\d{1,2}\.\d{1,2}", item["id"]) or item["is"] not in STANDINGS:
            yield f"ASVS {item['id']} has no number or no standing"
        if item["is"] == "met" and not item.get("tests"):
            yield f"ASVS {item['id']} is met by no test"
        if item["is"] != "met" and not item.get("note"):
            yield f"ASVS {item['id']} needs a note"
        yield from (
            f"ASVS {item['id']} names {test}, which does not exist"
            for test in item.get("tests", [])
            if not exists(test)
        )


def exists(test: str) -> bool:
    """Whether a test id, or a file of tests, is there."""
    name, _, function = test.partition("::")
    path = ROOT / name
    if not path.is_file() or not path.name.startswith("test_"):
        return False
    functions = {
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }
    return function in functions if function else bool(functions)


# ---- what the pages show


def diagram(model: Table) -> Iterator[str]:
    """The flows as a diagram of Mermaid, one box for each zone."""
    shapes = {"external": ("[", "]"), "process": ("(", ")"), "store": ("[(", ")]")}
    yield "```mermaid\nflowchart LR"
    for zone, title in model["zones"].items():
        yield f'  subgraph {zone}["{title}"]'
        for part in model["part"]:
            if part["zone"] == zone:
                opening, closing = shapes[part["kind"]]
                yield f'    {part["id"]}{opening}"{part["name"]}"{closing}'
        yield "  end"
    for flow in model["flow"]:
        yield f'  {flow["from"]} -->|"{flow["what"]}"| {flow["to"]}'
    yield "```"


def parts_table(model: Table) -> Iterator[str]:
    yield "| part | kind | zone | threats |"
    yield "|---|---|---|---|"
    for part in model["part"]:
        own = [threat["id"] for threat in model["threat"] if threat["part"] == part["id"]]
        yield f"| {part['name']} | {part['kind']} | {model['zones'][part['zone']]} | {', '.join(own)} |"


def threats_table(model: Table) -> Iterator[str]:
    names = {part["id"]: part["name"] for part in model["part"]}
    yield "| id | part | kind | threat | answered by |"
    yield "|---|---|---|---|---|"
    for threat in model["threat"]:
        answer = "<br>".join(f"`{test}`" for test in threat.get("tests", [])) or "[accepted](#accepted)"
        kind = KINDS[threat["kind"]]
        yield f"| {threat['id']} | {names[threat['part']]} | {kind} | {threat['what']} | {answer} |"


def accepted_table(model: Table) -> Iterator[str]:
    yield "| id | threat | why | accepted on, by | looked at again |"
    yield "|---|---|---|---|---|"
    for threat in model["threat"]:
        given = threat.get("accepted")
        if given:
            who = f"{given['on']}, {given['by']}"
            yield f"| {threat['id']} | {threat['what']} | {given['why']} | {who} | {given['review']} |"


def asvs_table(asvs: Table) -> Iterator[str]:
    counted = {standing: sum(1 for item in asvs["item"] if item["is"] == standing) for standing in STANDINGS}
    yield (
        f"{counted['met']} items are met and tested, {counted['operator']} are the operator's, "
        f"{counted['partly']} are met in part, {counted['no']} are not met.\n"
    )
    yield "| item | asks for | standing | by |"
    yield "|---|---|---|---|"
    for item in asvs["item"]:
        tests = "<br>".join(f"`{test}`" for test in item.get("tests", []))
        by = "<br>".join(part for part in (item.get("note", ""), tests) if part)
        yield f"| {item['id']} | {item['asks']} | {item['is']} | {by} |"


if __name__ == "__main__":
    raise SystemExit(main())
