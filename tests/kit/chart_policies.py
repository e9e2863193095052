"""The Rego policies of the chart, asked about renders."""

from typing import Any

from kit.deploy_tools import ROOT, ask

POLICIES = sorted((ROOT / "deploy" / "helm" / "policy").glob("*.rego"))
_ANSWERS = ROOT / "tests" / "deploy" / "helm" / "rego_answers.py"


def denials(renders: list[list[dict[str, Any]]]) -> list[list[str]]:
    """What the policies have against each render."""
    return ask("chart-python", _ANSWERS, renders, *map(str, POLICIES))
