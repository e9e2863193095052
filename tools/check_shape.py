"""House rules that no linter knows: sizes, names, and things that may be spelled in one place only.

    python tools/check_shape.py            check every file that git knows or would take
    python tools/check_shape.py --shrink   lower the exceptions to what the files need today

`tools/shape_exceptions.json` holds what was allowed to be larger. It may only shrink: an allowance
that a file no longer needs is itself a finding. `tools/own_bytes.json` names the files that may decode bytes
by themselves, with whose bytes they read; all others read them with `contracts/foreign.py`.
`tools/raw_writes.json` names the tests that write tables by SQL of their own, with the number of their
statements. It may only shrink: new tests use the stores of the services, or `tests/kit/ledger_rows.py`.
`tools/retired_words.json` names renamed identifiers, by folder, with the word to use. They are refused in
Python, SQL and shell sources, and in the code of Markdown pages. Text may cite only pages that are in the
repository: `ABSENT_PAGE` is refused everywhere.
"""

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
EXCEPTIONS = ROOT / "tools" / "shape_exceptions.json"
DECODER = "libs/common/src/visapi_common/contracts/foreign.py"
RETIRED: dict[str, dict[str, str]] = json.loads((ROOT / "tools" / "retired_words.json").read_text())
RAW_WRITES: dict[str, int] = json.loads((ROOT / "tools" / "raw_writes.json").read_text())
OWN_BYTES: dict[str, str] = json.loads((ROOT / "tools" / "own_bytes.json").read_text())

CHANGELOG = "CHANGELOG.md"
FENCE = re.compile(r"^\s*```")
CODE_SPAN = re.compile(r"`([^`]+)`")
COMMENT = re.compile(r"(--|(?<!\S)#).*$")
WORD = re.compile(r"\b[A-Za-z_]+\b")
CAMEL = re.compile(r"[a-z][A-Z]")
ABSENT_PAGE = re.compile(r"\bDESIG[N]\b")
"""A page that sources once cited by its sections and that is not in the repository. The brackets keep this
line from matching itself."""

FILE_LINES = 350
MAIN_LINES = 80
FUNCTION_LINES = 60
POSITIONAL = 5
NESTING = 4

VAGUE_FILES = {"utils", "util", "helpers", "helper", "manager", "misc", "base", "common", "data"}
VAGUE_FUNCTION = re.compile(r"^_?handle_")

SQL = re.compile(
    r"^\s*(select\s+.+\sfrom\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s)",
    re.IGNORECASE | re.DOTALL,
)
RAW_WRITE = re.compile(
    r"\b(insert\s+into\s+[\w.{}]+\s*\(|update\s+[\w.{}]+\s+set\s|delete\s+from\s+[\w.{}]+)",
    re.IGNORECASE,
)
SUBJECT = re.compile(r"^visapi\.(events|engine|tasks|dlq|live|control)\b")
DECODERS = re.compile(
    r"(?:msgspec\.(?:json|msgpack|yaml|toml)\.(?:decode|Decoder)|json\.loads?|json\.JSONDecoder|pickle\.loads?|marshal\.loads?)"
)
DECODING_NAMES = {"decode", "Decoder", "loads", "load", "JSONDecoder"}
METRIC = re.compile(r"^visapi_[a-z_]+_(total|seconds|bytes|rows|messages|pages)$")


class Finding(NamedTuple):
    """One broken rule; `size` is set where an exception may allow more than the limit."""

    path: str
    line: int
    rule: str
    text: str
    subject: str = ""
    size: int = 0

    @property
    def key(self) -> str:
        return f"{self.path}:{self.rule}:{self.subject}"


def main() -> int:
    """Print what is out of shape; 1 when something is."""
    allowed: dict[str, int] = json.loads(EXCEPTIONS.read_text()) if EXCEPTIONS.exists() else {}
    findings = [
        finding for path in _files("*.py") for finding in check(path.relative_to(ROOT), path.read_text())
    ]
    findings += [
        finding
        for path in _files("*.sql", "*.sh", "*.md", ".ci/*")
        for finding in retired_in_text(str(path.relative_to(ROOT)), path.read_text())
    ]
    findings += [
        finding
        for path in _files("*.py", "*.sql", "*.sh", "*.md", "*.rego", "*.yaml", "*.toml", ".ci/*", "Makefile")
        for finding in absent_page(str(path.relative_to(ROOT)), path.read_text())
    ]
    if "--shrink" in sys.argv[1:]:
        needed = {f.key: min(f.size, allowed[f.key]) for f in findings if f.size and f.key in allowed}
        EXCEPTIONS.write_text(json.dumps(dict(sorted(needed.items())), indent=2) + "\n")
        return 0
    lines = [
        f"{f.path}:{f.line}: {f.rule}: {f.text}"
        for f in findings
        if f.size > allowed.get(f.key, 0) or not f.size
    ]
    lines += _stale(allowed, {f.key: f.size for f in findings})
    print("\n".join(lines) if lines else "shape: ok")
    return 1 if lines else 0


def check(path: Path, source: str) -> Iterator[Finding]:
    """Every rule on one file."""
    tree = ast.parse(source)
    name = str(path)
    yield from _file_rules(path, name, source)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and VAGUE_FUNCTION.match(node.name):
            yield Finding(name, node.lineno, "vague-name", f"'{node.name}': say what it does with it")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _function_rules(name, node)
    if "tests/" in name and not name.startswith("tests/kit/"):
        yield from _raw_writes(name, tree)
    if "/src/" in name:
        yield from _spelling_rules(name, tree)
        yield from _decoding_rules(name, tree)
        yield from _retired_words(name, source)


def _file_rules(path: Path, name: str, source: str) -> Iterator[Finding]:
    lines = source.count("\n")
    limit = MAIN_LINES if path.name == "main.py" and name.startswith("services/") else FILE_LINES
    if lines > limit:
        yield Finding(
            name, 1, "file-length", f"{lines} lines, at most {limit}: it wants to be two files", "", lines
        )
    if path.stem in VAGUE_FILES:
        yield Finding(name, 1, "vague-name", f"'{path.stem}' says nothing; name the idea")


def _function_rules(name: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Finding]:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if length > FUNCTION_LINES:
        text = f"{node.name} has {length} lines, at most {FUNCTION_LINES}"
        yield Finding(name, node.lineno, "function-length", text, node.name, length)
    positional = [
        arg.arg for arg in (*node.args.posonlyargs, *node.args.args) if arg.arg not in {"self", "cls"}
    ]
    if len(positional) > POSITIONAL and "/tests/" not in f"/{name}":
        text = f"{node.name} takes {len(positional)} positional parameters, at most {POSITIONAL}; use `*`"
        yield Finding(name, node.lineno, "parameters", text, node.name, len(positional))
    depth = _depth(node)
    if depth > NESTING:
        text = f"{node.name} nests {depth} deep, at most {NESTING}"
        yield Finding(name, node.lineno, "nesting", text, node.name, depth)


def _depth(node: ast.AST) -> int:
    """How deep blocks that decide or repeat stand inside one another; `elif` and `with` do not count."""
    deepest = 0
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        below = _depth(child)
        counts = isinstance(child, ast.If | ast.For | ast.AsyncFor | ast.While | ast.Try | ast.Match)
        chained = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        deepest = max(deepest, below + (1 if counts and not chained else 0))
    return deepest


def _spelling_rules(name: str, tree: ast.Module) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        if SQL.match(node.value) and " " in node.value.strip():
            yield Finding(name, node.lineno, "sql-in-python", "SQL belongs into a named block of a .sql file")
        if SUBJECT.match(node.value) and not name.endswith(("contracts/subjects.py", "admin/nats_rights.py")):
            yield Finding(name, node.lineno, "subject", "subjects are spelled in contracts/subjects.py only")
        if METRIC.match(node.value) and not name.endswith(
            ("telemetry/catalogue.py", "telemetry/gateway_catalogue.py")
        ):
            yield Finding(
                name, node.lineno, "metric", "metrics are spelled in the catalogue only (telemetry)"
            )


def _raw_writes(name: str, tree: ast.Module) -> Iterator[Finding]:
    """SQL of a test that writes the ledger beside the stores of the services."""
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and RAW_WRITE.search(node.value)
    ]
    known = RAW_WRITES.get(name, 0)
    if len(lines) > known:
        text = f"{len(lines)} statements write tables, {known} are known; use a store, or kit.ledger_rows"
        yield Finding(name, lines[-1], "raw-write", text)
    elif len(lines) < known:
        text = f"{len(lines)} statements write tables; lower its number in tools/raw_writes.json"
        yield Finding(name, 1, "raw-write", text)


def _retired_words(name: str, source: str) -> Iterator[Finding]:
    """One idea has one word: identifiers that were renamed do not come back."""
    retired = _retired_for(name)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and token.string in retired:
            yield _retired(name, token.start[0], token.string, retired)


def retired_in_text(name: str, text: str) -> Iterator[Finding]:
    """Retired identifiers in SQL and shell outside of comments, and in the code of Markdown."""
    if name == CHANGELOG:
        return
    retired = _retired_for(name)
    if not name.endswith(".sql"):
        # Pages and scripts use ordinary words, so only spellings that are no ordinary word count.
        everywhere = {word: use for words in RETIRED.values() for word, use in words.items()}
        retired = {word: use for word, use in everywhere.items() if not word.isalpha() or CAMEL.search(word)}
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if name.endswith(".md"):
            if FENCE.match(line):
                fenced = not fenced
            code = line if fenced else " ".join(CODE_SPAN.findall(line))
        else:
            code = COMMENT.sub("", line)
        for word in WORD.findall(code):
            if word in retired:
                yield _retired(name, number, word, retired)


def absent_page(name: str, text: str) -> Iterator[Finding]:
    """Citations of a page that readers of the repository cannot open."""
    for number, line in enumerate(text.splitlines(), 1):
        if ABSENT_PAGE.search(line):
            yield Finding(
                name, number, "absent-page", "cites a page that is not here; cite docs/ or ARCHITECTURE.md"
            )


def _retired_for(name: str) -> dict[str, str]:
    return {
        word: use
        for folder, words in RETIRED.items()
        if name.startswith(folder)
        for word, use in words.items()
    }


def _retired(name: str, line: int, word: str, retired: dict[str, str]) -> Finding:
    return Finding(name, line, "retired-word", f"'{word}' is retired; the word is '{retired[word]}'")


def _decoding_rules(name: str, tree: ast.Module) -> Iterator[Finding]:
    """Bytes from outside are decoded in one file; `OWN_BYTES` says who else decodes, and whose bytes."""
    if name == DECODER:
        return
    found = list(_decoders(tree))
    if name in OWN_BYTES:
        if not found:
            yield Finding(
                name, 1, "own-bytes", "decodes nothing any more; take it out of tools/own_bytes.json"
            )
        return
    for line, spelled in found:
        text = f"{spelled}: contracts/foreign.py reads foreign bytes; tools/own_bytes.json names the others"
        yield Finding(name, line, "foreign-bytes", text)


def _decoders(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and DECODERS.fullmatch(spelled := ast.unparse(node)):
            yield node.lineno, spelled
        elif isinstance(node, ast.ImportFrom) and node.module in {
            "msgspec.json",
            "msgspec.msgpack",
            "json",
            "pickle",
        }:
            yield from ((node.lineno, one.name) for one in node.names if one.name in DECODING_NAMES)


def _stale(allowed: dict[str, int], sizes: dict[str, int]) -> Iterator[str]:
    for key, size in allowed.items():
        if sizes.get(key, 0) < size:
            yield f"tools/shape_exceptions.json: {key}: needs {sizes.get(key, 0)}, not {size}; run --shrink"


def _files(*patterns: str) -> Iterator[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for line in listed.stdout.splitlines():
        path = ROOT / line
        if path.is_file():
            yield path


if __name__ == "__main__":
    sys.exit(main())
