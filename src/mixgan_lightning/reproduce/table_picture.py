"""A table as a picture: rules above, under the head and below, as tables are printed."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D

DPI = 160
SIZE, SMALL = 10, 8  # points
LINE, SMALL_LINE, GAP, MARGIN = 0.26, 0.17, 0.32, 0.22  # inches: a row, a line of notes, between columns, around
DARK, PALE = "#222222", "#8a8a8a"
BOLD = "**"  # Markdown's


def write_table(
    path: Path, rows: Sequence[Sequence[str]], title: str, notes: Sequence[str] = (), pale: Collection[str] = ()
) -> None:
    """Draw and write.

    Args:
        path: a .png file.
        rows: the head, and as many cells in each row after it; cells that start bold in Markdown are bold here.
        title: above.
        notes: below, small.
        pale: cells that hold no number.
    """
    widths = [max(_width(cell, head=i == 0) for i, cell in enumerate(column)) for column in zip(*rows, strict=True)]
    width = max(sum(widths) + GAP * (len(widths) - 1), _width(title, head=True)) + 2 * MARGIN
    wrapped = [line for note in notes for line in textwrap.wrap(note, int((width - 2 * MARGIN) * 15))]
    height = 2 * MARGIN + LINE * (len(rows) + 1.6) + SMALL_LINE * len(wrapped)
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    edges = [MARGIN + sum(widths[:i]) + GAP * i for i in range(len(widths))]

    def write(x: float, y: float, text: str, **style: Any) -> None:
        figure.text(x / width, 1 - y / height, text, va="center", **style)  # inches from the upper left corner

    def rule(y: float, thickness: float) -> None:
        at = [1 - y / height] * 2
        figure.add_artist(Line2D([MARGIN / width, 1 - MARGIN / width], at, linewidth=thickness, color=DARK))

    write(MARGIN, MARGIN + LINE / 2, title, fontproperties=_font("bold"), color=DARK)
    top = MARGIN + 1.3 * LINE
    rule(top, 1.2)
    rule(top + LINE, 0.6)
    rule(top + LINE * len(rows), 1.2)
    for i, row in enumerate(rows):
        for j, (cell, left, column) in enumerate(zip(row, edges, widths, strict=True)):
            font = _font("bold" if i == 0 or _is_bold(cell) else "normal")
            x, side = (left, "left") if j == 0 else (left + column, "right")
            color = PALE if cell in pale else DARK
            write(x, top + LINE * (i + 0.5), _bare(cell), ha=side, fontproperties=font, color=color)
    for i, line in enumerate(wrapped):
        y = top + LINE * len(rows) + SMALL_LINE * (i + 1)
        write(MARGIN, y, line, fontproperties=FontProperties(size=SMALL), color=DARK)
    figure.savefig(path, metadata={"Software": None})  # the same bytes whatever drew it


def _bare(cell: str) -> str:
    return cell.replace(BOLD, "")


def _is_bold(cell: str) -> bool:
    return cell.startswith(BOLD)


def _font(weight: str) -> FontProperties:
    return FontProperties(size=SIZE, weight=weight)


def _width(cell: str, head: bool) -> float:
    """Inches."""
    renderer = FigureCanvasAgg(Figure(dpi=DPI)).get_renderer()
    font = _font("bold" if head or _is_bold(cell) else "normal")
    return renderer.get_text_width_height_descent(_bare(cell), font, ismath=False)[0] / DPI
