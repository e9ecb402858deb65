"""Values over a size, on a logarithmic axis: mean and sd, a column of the table a line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from mixgan_lightning.reproduce.theorems import Measurement
from mixgan_lightning.spread import Spread

MARKS = "os^Dv<>P*X"
DASHES = ("--", ":", "-.")  # of the levels


def write_sizes(path: Path, curves: Mapping[str, Mapping[int, Spread]], title: str, of: Measurement) -> None:
    """Draw and write.

    Args:
        path: a .png file.
        curves: label -> size -> value; bars of one sd.
        title: above.
        of: names the axes and the levels to compare with.
    """
    figure = Figure(figsize=(7.2, 4.4), dpi=160, layout="constrained", facecolor="white")
    axes = figure.subplots()
    for i, (label, curve) in enumerate(curves.items()):
        means = [spread.mean for spread in curve.values()]
        sds = [spread.sd or 0.0 for spread in curve.values()]
        fmt, hollow = f"{MARKS[i % len(MARKS)]}-C{i % 10}", "none"  # so that equal values show both marks
        axes.errorbar(list(curve), means, sds, fmt=fmt, markerfacecolor=hollow, capsize=2, label=label)
    for i, (label, level) in enumerate(of.levels.items()):
        axes.axhline(level, color="0.4", linestyle=DASHES[i % len(DASHES)], linewidth=1, label=label, zorder=0)
    axes.set(title=title, xlabel=of.size_name, ylabel=of.value_name, xscale="log")
    axes.xaxis.set_major_locator(FixedLocator(sorted({size for curve in curves.values() for size in curve})))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.savefig(path, metadata={"Software": None})  # the same bytes whatever drew it
