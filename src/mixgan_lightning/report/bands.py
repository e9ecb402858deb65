"""Curves of a sweep: mean ± sd over seeds, a line a config (as in the paper's Figures 4 and 5)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixgan_lightning import log_names
from mixgan_lightning.report import palette
from mixgan_lightning.report.curves import FEW
from mixgan_lightning.report.metrics import POINTS, Series
from mixgan_lightning.report.numbers import short
from mixgan_lightning.report.run import RunFiles
from mixgan_lightning.report.summary import Row, Summary
from mixgan_lightning.report.svg import Drawing, Key, figure, inline, over_images
from mixgan_lightning.spread import Spread

GAME = {log_names.PAYOFF_GAP: "gap of the payoff matrix", log_names.effective("generator"): "generators in use"}

Array = NDArray[np.float64]


def bands(summary: Summary) -> list[Drawing]:
    """A figure a measured value, then the game's."""
    titles = {name: log_names.title(name) for name in summary.names} | GAME
    drawn = [_draw(summary, name, title, f"band-{i}") for i, (name, title) in enumerate(titles.items())]
    return [drawing for drawing in drawn if drawing is not None]


def keys(rows: Sequence[Row]) -> tuple[Key, ...]:
    """The legend of all figures: each row has its colour."""
    return tuple(Key(row.label, palette.variable(palette.color(i)), palette.dashes(i)) for i, row in enumerate(rows))


def _draw(summary: Summary, name: str, title: str, figure_name: str) -> Drawing | None:
    curves = [_curve(row.finished, name) for row in summary.rows]
    if not any(len(seen) > 1 for seen, _, _ in curves):
        return None
    real = summary.real.get(name)
    with figure() as drawn:
        axes = drawn.subplots()
        over_images(axes)
        for i, (seen, means, sds) in enumerate(curves):
            color = palette.color(i)
            marker = "." if len(seen) < FEW else ""
            axes.plot(seen, means, color=color, linestyle=palette.dashes(i), marker=marker)
            if sds.any():
                axes.fill_between(seen, means - sds, means + sds, color=color, alpha=0.18, linewidth=0)
        if real is not None:
            axes.axhline(real, color=palette.MUTED, linestyle="--", linewidth=1)
        ends = [
            f"{row.label} {short(means[-1])}"
            for row, (_, means, _) in zip(summary.rows, curves, strict=True)
            if len(means)
        ]
        alt = f"{title} over real images seen, at the end: {'; '.join(ends)}"
        shown = () if real is None else (Key(f"real data {short(real)}", palette.variable(palette.MUTED), "dashed"),)
        return Drawing(title, inline(drawn, figure_name, alt), shown)


def _curve(runs: Sequence[RunFiles], name: str) -> tuple[Array, Array, Array]:
    """Images seen, mean, sd (0 of one run)."""
    points: dict[float, list[float]] = {}
    for run in runs:
        of = run.metrics.get(name, Series(np.array([]), np.array([])))
        for seen, value in zip(of.seen, of.values, strict=True):
            points.setdefault(float(seen), []).append(float(value))
    every = sorted(points)
    chosen = every[:: -max(1, -(-len(every) // POINTS))][::-1]  # the last among them
    spreads = [Spread.of(points[seen]) for seen in chosen]
    means, sds = [spread.mean for spread in spreads], [spread.sd or 0.0 for spread in spreads]
    return np.array(chosen), np.array(means), np.array(sds)
