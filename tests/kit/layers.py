"""The layers of the suite. A test is in the layer of the innermost folder that names one."""

LAYERS = (
    "unit",
    "property",
    "contract",
    "integration",
    "simulation",
    "conformance",
    "e2e",
    "faults",
    "load",
    "attacks",
    "images",
    "upgrade",
    "drills",
    "deploy",
)

ALONE = ("faults", "load", "attacks", "drills")
"""Layers whose tests run one at a time."""
