"""Draws dashboards as Grafana lays them out: a page of HTML with SVG, which Chromium turns into a picture.

The pictures are for looking: whether units fit, lines can be told apart, and a panel says what its title promises.
"""

import os
import subprocess
from collections.abc import Sequence
from html import escape
from pathlib import Path

from observe.boards import RANGE_S, Line, Panel

CELL_W, CELL_H = 56, 30
GAP = 6
COLUMNS = 24
COLOURS = ("#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0", "#508642", "#cca300")  # fmt: skip
LEGEND_MAX = 6
STYLE = """
body {background: #111217; color: #ccccdc; font: 12px sans-serif; margin: 8px}
h1 {font-size: 16px; margin: 4px 0 8px}
.panel {position: absolute; background: #181b1f; border: 1px solid #2c3235; overflow: hidden; box-sizing: border-box}
.title {font-weight: bold; padding: 3px 6px; white-space: nowrap}
.stat {font-size: 30px; text-align: center; padding-top: 16px}
.none {color: #e24d42; text-align: center; padding-top: 30px; font-size: 16px}
table {font-size: 10px; border-collapse: collapse; margin: 4px}
td {border-top: 1px solid #2c3235; padding: 1px 6px}
text {fill: #9fa7b3; font-size: 10px}
"""


def page(title: str, panels: Sequence[Panel], now: float) -> str:
    height = max(panel.place["y"] + panel.place["h"] for panel in panels) * CELL_H
    drawn = "\n".join(_panel(panel, now) for panel in panels)
    body = f'<div style="position: relative; height: {height}px">{drawn}</div>'
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><h1>{escape(title)}</h1>{body}"


def picture(chromium: Path, html: Path, panels: Sequence[Panel]) -> Path:
    """Take a picture of a page; the file."""
    made = html.with_suffix(".png")
    height = max(panel.place["y"] + panel.place["h"] for panel in panels) * CELL_H + 60
    command = [
        chromium, "--headless", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={html.parent / 'profile'}",
        f"--window-size={COLUMNS * CELL_W + 20},{height}", f"--screenshot={made}",
        # The page is ours, and root has no sandbox.
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
        html.as_uri(),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return made


def _panel(panel: Panel, now: float) -> str:
    x, y, w, h = (panel.place[side] for side in "xywh")
    left, top, wide, high = x * CELL_W, y * CELL_H, w * CELL_W - GAP, h * CELL_H - GAP
    if not panel.lines:
        inner = "<div class=none>No data</div>"
    elif panel.kind == "stat":
        value = panel.lines[0].points[-1][1]
        bad = panel.bad_from is not None and value >= panel.bad_from
        inner = f'<div class=stat style="color: {"#e24d42" if bad else "#7eb26d"}">{readable(value, panel.unit)}</div>'
    elif panel.kind == "table":
        inner = _rows(panel.lines)
    else:
        inner = _chart(panel, now, wide, high - 22)
    place = f"left: {left}px; top: {top}px; width: {wide}px; height: {high}px"
    return f'<div class=panel style="{place}"><div class=title>{escape(panel.title)}</div>{inner}</div>'


def _chart(panel: Panel, now: float, wide: int, high: int) -> str:
    lines = panel.lines
    legend_h = 13 * min(len(lines), LEGEND_MAX + 1)
    left, bottom, right = 62, high - legend_h - 18, wide - 8
    top_value = max((value for line in lines for _, value in line.points), default=0.0) or 1.0
    drawn: list[str] = []
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * (bottom - 8)
        drawn.append(f'<line x1={left} x2={right} y1={y:.0f} y2={y:.0f} stroke="#2c3235"/>')
        drawn.append(f"<text x={left - 4} y={y + 3:.0f} text-anchor=end>{readable(share * top_value, panel.unit)}</text>")  # fmt: skip
    for number, line in enumerate(lines):
        points = " ".join(
            f"{left + (at - now + RANGE_S) / RANGE_S * (right - left):.1f},{bottom - value / top_value * (bottom - 8):.1f}"
            for at, value in line.points
        )
        colour = COLOURS[number % len(COLOURS)]
        drawn.append(f'<polyline points="{points}" fill=none stroke="{colour}" stroke-width=1.5 />')
    return f"<svg width={wide} height={high}>{''.join(drawn)}{_legend(panel, left, bottom + 14)}</svg>"


def _legend(panel: Panel, left: int, top: int) -> str:
    drawn: list[str] = []
    for number, line in enumerate(panel.lines[:LEGEND_MAX]):
        y, colour = top + 13 * number, COLOURS[number % len(COLOURS)]
        text = f"{line.name or 'Value'}: {readable(line.points[-1][1], panel.unit)}"
        drawn.append(f'<rect x={left} y={y} width=8 height=8 fill="{colour}" />')
        drawn.append(f"<text x={left + 12} y={y + 8}>{escape(text)}</text>")
    more = len(panel.lines) - LEGEND_MAX
    if more > 0:
        drawn.append(f"<text x={left + 12} y={top + 13 * LEGEND_MAX + 8}>and {more} more</text>")
    return "".join(drawn)


def _rows(lines: Sequence[Line]) -> str:
    shown: list[str] = []
    for line in lines[:10]:
        cells = "".join(f"<td>{escape(f'{name}={value}')}</td>" for name, value in line.labels.items())
        shown.append(f"<tr>{cells}<td>{line.points[-1][1]:g}</td></tr>")
    return f"<table>{''.join(shown)}</table>"


_SCALES = {"bytes": ("B", 1024.0), "Bps": ("B/s", 1024.0)}
_SUFFIXES = {"cps": " /s", "reqps": " req/s", "short": ""}


def readable(value: float, unit: str) -> str:
    """A number as Grafana shows it."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        return f"{value:.3g} s" if value >= 1 or value == 0 else f"{value * 1000:.3g} ms"
    name, base = _SCALES.get(unit, (_SUFFIXES.get(unit, f" {unit}"), 1000.0))
    for power in ("", "k", "M", "G"):
        if abs(value) < base or power == "G":
            return f"{value:.3g}{' ' if base == 1024 else ''}{power}{name}"
        value /= base
    raise AssertionError("the last power returns")
