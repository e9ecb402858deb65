"""A matplotlib figure as inline SVG: text stays text, colours follow the page, the same input gives the same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from mixgan_lightning.report import palette

SIZE = (4.6, 2.7)  # inches: small enough for a phone without making text small
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a $ is a $
    "font.size": 9,
    "text.color": palette.INK,
    "axes.edgecolor": palette.MUTED,
    "axes.labelcolor": palette.MUTED,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "grid.color": palette.GRID,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.color": palette.MUTED,
    "ytick.color": palette.MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
}
REMS_AN_INCH = 6.5
NOT_DRAWN = {"Date": None, "Creator": None, "Format": None, "Type": None}  # metadata


@dataclass(frozen=True)
class Key:
    """A line of a legend."""

    label: str
    color: str  # CSS
    dashes: str = "solid"  # CSS border style


@dataclass(frozen=True)
class Drawing:
    """A figure of the page."""

    title: str
    svg: Markup
    legend: tuple[Key, ...] = ()
    note: str = ""


@contextmanager
def figure(size: tuple[float, float] = SIZE) -> Iterator[Figure]:
    """An empty figure in the page's style; draw and call `inline` inside."""
    with matplotlib.rc_context(STYLE):
        yield Figure(figsize=size, layout="constrained")


def over_images(axes: Axes) -> None:
    """The x axis of nearly all figures."""
    axes.set_xlabel("real images seen")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_major_locator(MaxNLocator(5))


def inline(of: Figure, name: str, alt: str) -> Markup:
    """Render.

    Args:
        of: the figure.
        name: its own on this page: ids begin with it.
        alt: what it shows, for those who do not see it.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        of.savefig(buffer, format="svg", metadata=NOT_DRAWN)
    svg = _trimmed(buffer.getvalue())
    width = f"max-width: {REMS_AN_INCH * of.get_figwidth():.1f}rem"  # text is as large in all figures
    opening = f'style="{width}" role="img" aria-label="{escape(alt)}"'
    svg = re.sub(r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", lambda found: f"<svg {found[1]} {opening}>", svg, count=1)
    return Markup(_own_ids(_themed(svg), name))


def _trimmed(svg: str) -> str:
    """Without what HTML does not need; a hundredth of a point is enough for a line."""
    svg = re.sub(r"<style.*?</style>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path.group()), svg)
    return re.sub(r"\s*\n\s*", "\n", svg).strip()


def _themed(svg: str) -> str:
    """In the page's colours and font."""
    svg = re.sub(r"font-family: [^;\"]*", "font-family: inherit", svg)
    return re.sub("|".join(palette.VARIABLES), lambda found: palette.variable(found.group()), svg)


def _own_ids(svg: str, name: str) -> str:
    """Drop the ids that nothing refers to; the others begin with the figure's name."""
    used = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", svg)
    return re.sub(r"(url\(|href=\")#", rf"\1#{name}-", svg)
