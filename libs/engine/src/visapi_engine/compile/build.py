"""The state of one compilation: findings, nodes, expressions to check, and places in the definition."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from visapi_common.contracts.task_messages import FunctionSpec
from visapi_engine.expressions.gate import CheckedExpression
from visapi_engine.expressions.lexer import walk
from visapi_engine.model.program import Common, Node
from visapi_engine.source.findings import Findings
from visapi_engine.source.pointers import join

NODES_MAX = 2_000
TOKENS_MAX = 20_000
"""Tokens of all expressions together; libjq compiles the worst of them in about two seconds."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The place of a task.

    `pointer` names its node; `source` points to its text. They differ in the body of a reusable function,
    which has one text, and a node for each of its calls.
    """

    pointer: str
    source: str
    name: str
    parent: str | None
    siblings: Mapping[str, str] = {}
    """Names that `then` may jump to, with their pointers."""
    in_fork: bool = False
    variables: frozenset[str] = frozenset()
    """Variables that surrounding constructs bind, such as a `catch`'s error."""
    calling: tuple[str, ...] = ()
    """The reusable functions around the task that are being expanded, outermost first."""
    on_uncertain: str | None = None
    """The setting of the caller of a reusable function for the calls within the function."""
    on_retry: str | None = None
    """As `on_uncertain`."""
    extending: bool = False
    """The task belongs to an extension."""

    def at(self, *parts: str | int) -> str:
        """The pointer of a member in the text."""
        return join(self.source, *parts)

    def with_layer(self, pointer: str, source: str) -> "Place":
        """The place of an extension's own tasks around this task."""
        return Place(
            pointer=pointer,
            source=source,
            name=self.name,
            parent=pointer,
            variables=self.variables,
            extending=True,
        )


class Extension(msgspec.Struct, frozen=True):
    """An extension as written at `at`; `extends` are keywords of tasks, or `all`."""

    name: str
    at: str
    extends: frozenset[str]
    body: Mapping[str, Any]


class Reusables(msgspec.Struct, frozen=True):
    """The `use` section, checked for shape only: components by kind and name."""

    errors: Mapping[str, Any] = {}
    retries: Mapping[str, Any] = {}
    timeouts: Mapping[str, Any] = {}
    functions: Mapping[str, Any] = {}
    authentications: Mapping[str, Any] = {}
    secrets: Sequence[str] = ()


class UncheckedExpression(msgspec.Struct, frozen=True):
    """An expression for libjq to compile, with its place and the names that it may use."""

    at: str
    inspected: CheckedExpression
    names: frozenset[str]


CompileTask = Callable[["Build", Place, dict[str, Any], Common], Node]


class Construct(msgspec.Struct, frozen=True):
    """One kind of task: the property that marks it, its further properties, its compiler."""

    keyword: str
    compile: CompileTask
    extra: tuple[str, ...] = ()


class Build:
    """Collects the results of one compilation."""

    def __init__(
        self, *, constructs: Mapping[str, Construct], announced: Mapping[str, FunctionSpec] | None = None
    ) -> None:
        self.findings = Findings()
        self.announced = announced or {}
        """The known functions of workers."""
        self.constructs = constructs
        self.use = Reusables()
        self.extensions: list[Extension] = []
        self.definitions: dict[str, Any] = {}
        self.secrets: set[tuple[str, ...]] = set()
        """The secrets that expressions use, each as its name and members."""
        self.loose = False
        self.nodes: dict[str, Node] = {}
        self.expressions: list[UncheckedExpression] = []
        self.tokens = 0

    def add(self, node: Node) -> None:
        self.nodes[node.pointer] = node

    def extensions_of(self, place: Place, keyword: str) -> list[Extension]:
        """The extensions around a task of this kind, outermost first. A task of an extension has none, and
        the body of a reusable function is extended where it is called.
        """
        if place.extending or place.calling:
            return []
        return [layer for layer in self.extensions if layer.extends & {keyword, "all"}]

    def keyword_of(self, body: Any) -> str | None:
        """The construct of a task; None unless there is exactly one. `do` is also a part of `for`."""
        if not isinstance(body, dict):
            return None
        present = [key for key in self.constructs if key in body]
        parts = {extra for key in present for extra in self.constructs[key].extra}
        found = [key for key in present if key not in parts]
        return found[0] if len(found) == 1 else None

    def expect(self, at: str, inspected: CheckedExpression, names: frozenset[str]) -> None:
        """Add an expression that libjq has to compile."""
        self.count(inspected)
        self.expressions.append(UncheckedExpression(at, inspected, names))

    def count(self, inspected: CheckedExpression) -> None:
        """Add an expression's tokens to the total that a definition may have."""
        self.tokens += sum(1 for _ in walk(inspected.tokens))

    @property
    def full(self) -> bool:
        """Whether the program exceeds its bound; the compilation then stops adding nodes."""
        return len(self.nodes) >= NODES_MAX or self.tokens >= TOKENS_MAX
