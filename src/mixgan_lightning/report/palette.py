"""Colours of a page: those of figures are stand-ins, for which CSS variables are put in, light or dark."""

from __future__ import annotations

INK, MUTED, GRID = "#010101", "#010102", "#010103"  # no real colour is as near to black
SERIES = tuple(f"#0101{16 + i:02x}" for i in range(7))  # told apart by colour-blind people too (Okabe and Ito)
DASHES = ("solid", "dashed", "dotted")  # the next seven lines
VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid"} | {color: f"series-{i}" for i, color in enumerate(SERIES)}


def color(i: int) -> str:
    """Of line i in a figure."""
    return SERIES[i % len(SERIES)]


def dashes(i: int) -> str:
    """Of line i in a figure: with its colour its own for 21 lines."""
    return DASHES[i // len(SERIES) % len(DASHES)]


def variable(color: str) -> str:
    """The CSS variable of a stand-in."""
    return f"var(--{VARIABLES[color]})"
