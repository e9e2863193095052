"""The pages of `docs/` as scripts: what each block is, and what a block must print. Pure.

A block's first line says what becomes of the block (docs/README.md, "How these pages are held"):
`sh` runs, `sh background` runs beside what follows, `sh fails` must fail, `file=NAME` saves the block, `text` after a
`sh` block is what that block prints, `sh fault` runs beside the fault that its section is about (`make runbooks`),
`no-run: REASON` is looked at by people only.
"""

import re
from dataclasses import dataclass, field
from textwrap import dedent

_BLOCK = re.compile(r"^([ ]*)```([^\n`]*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
_PICTURES = frozenset({"mermaid"})
_ASKS = re.compile(r"\bcurl |\bvisapi (?!validate\b|simulate\b|admin (?:capacity|rotate|secrets)\b)")
"""Commands that may ask a stack, other than those that read and write files."""
ELLIPSIS = "…"


@dataclass
class Block:
    line: int
    language: str
    flags: str
    text: str
    output: str | None = None
    """What a block of `sh` must print."""

    @property
    def file(self) -> str | None:
        found = re.search(r"\bfile=(\S+)", self.flags)
        return found and found.group(1)

    @property
    def excused(self) -> str | None:
        """Why the block does not run."""
        found = re.search(r"no-run: *(.*)", self.flags)
        return found and found.group(1)

    @property
    def for_faults(self) -> bool:
        """Whether the block makes sense beside a fault only."""
        return self.flags == "fault"

    @property
    def starts_the_stack(self) -> bool:
        return self.flags == "background" and "visapi up" in self.text


@dataclass
class Page:
    blocks: list[Block] = field(default_factory=list[Block])
    mistakes: list[str] = field(default_factory=list[str])

    @property
    def starts_a_stack(self) -> bool:
        return any(block.starts_the_stack for block in self.blocks)

    @property
    def runs(self) -> bool:
        return any(block.language == "sh" for block in self._typed)

    @property
    def needs_a_stack(self) -> bool:
        """Whether a block may ask one; without it, such a block would fail."""
        return any(
            block.file is None and (block.language != "sh" or _ASKS.search(block.text) is not None)
            for block in self._typed
        )

    @property
    def _typed(self) -> list[Block]:
        return [block for block in self.blocks if block.excused is None and not block.for_faults]


def read_page(source: str) -> Page:
    page = Page()
    for found in _BLOCK.finditer(source):
        language, _, flags = found.group(2).strip().partition(" ")
        line = source[: found.start()].count("\n") + 1
        block = Block(line, language, flags.strip(), dedent(found.group(3)))
        if language == "text" and block.excused is None:
            if not page.blocks or page.blocks[-1].language != "sh" or page.blocks[-1].output is not None:
                page.mistakes.append(f"line {line}: a text that no block of sh prints")
            else:
                page.blocks[-1].output = block.text
        elif language not in _PICTURES:
            page.mistakes += _mistakes(block)
            page.blocks.append(block)
    return page


def _mistakes(block: Block) -> list[str]:
    if block.excused == "":
        return [f"line {block.line}: no-run needs a reason"]
    if block.excused is not None or block.file is not None:
        return []
    if block.language == "sh" and block.flags in ("", "background", "fails", "fault"):
        return []
    if block.language == "yaml" and block.text.startswith("document:") and not block.flags:
        return []
    return [f"line {block.line}: ```{block.language} {block.flags} says neither how it runs nor why not"]


def section_of(source: str, title: str) -> str:
    """The text of a page under one heading of the second level."""
    return source.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def script_of(page: Page, *, beside_a_fault: bool = False) -> str:
    """One script for bash: each block writes to `N.out`; a workflow that no block saves is deployed."""
    lines = ["set -euo pipefail", "exec 3>&1"]
    for number, block in enumerate(page.blocks):
        if block.excused is None and (beside_a_fault or not block.for_faults):
            lines += [f'echo "{number}" > block', *_commands(block, number)]
    return "\n".join([*lines, "echo done > block"])


def _commands(block: Block, number: int) -> list[str]:
    out = f"exec >out/{number} 2>&1"
    if block.file is not None:
        return [f"cat > {block.file} <<'END_OF_FILE'\n{block.text}END_OF_FILE"]
    if block.language == "yaml":
        return [out, f"cat > block-{number}.yaml <<'END_OF_FILE'\n{block.text}END_OF_FILE",
                f"visapi deploy block-{number}.yaml"]  # fmt: skip
    if block.starts_the_stack:
        return [f"(\n{block.text.strip()}\n) >out/{number} 2>&1 &",
                f"until grep -q 'everything answers' out/{number}; do sleep 0.1; done"]  # fmt: skip
    if block.flags == "background":
        return [f"(\n{block.text.strip()}\n) >out/{number} 2>&1 &"]
    if block.flags == "fails":
        return [out, f"set +e\n{block.text.strip()}\nfailed=$?\nset -e\ntest $failed -ne 0"]
    return [out, block.text.strip()]


def difference(shown: str, printed: str) -> str | None:
    """None where what was printed is what the page shows; a line of `…` alone stands for one or more lines."""
    pattern = "\n".join(_line_pattern(line) for line in shown.rstrip("\n").split("\n"))
    text = "\n".join(line.rstrip() for line in printed.rstrip("\n").split("\n"))
    if re.fullmatch(pattern, text):
        return None
    return f"the page shows\n{shown}\nbut it printed\n{printed}"


def _line_pattern(line: str) -> str:
    if line.strip() == ELLIPSIS:
        return r"(?:.*\n)*?.*"
    parts = [re.escape(part) for part in re.sub(r"\s+", " ", line.rstrip()).split(ELLIPSIS)]
    return ".*?".join(parts).replace(r"\ ", r"\s+")
