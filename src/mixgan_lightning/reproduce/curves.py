"""Curves of a measured value in the course of training: mean and sd over seeds, an experiment a line."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mixgan_lightning import log_names
from mixgan_lightning.reproduce.reproduction import (
    NOT_MEASURED,
    NOT_RUN,
    Page,
    Reproduction,
    beside,
    embedded,
    markdown_table,
)
from mixgan_lightning.reproduce.runs import Outcome, Ran
from mixgan_lightning.spread import Spread

Curve = dict[int, Spread]  # by images seen


class Curves(Reproduction):
    """Writes stem.md, stem.png, and stem.csv with the numbers.

    Args:
        value: log name of what is drawn, over the real images seen.
        digits: of its last value in the page's table, after the point.
        others: of `Reproduction`.
    """

    def __init__(self, *, value: str, digits: int = 2, **others: Any) -> None:
        super().__init__(**others)
        self.value, self.digits = value, digits

    def page(self, ran: Sequence[Ran], stem: Path) -> Page:
        """Picture (lines: mean, bands: ± sd), numbers, and a table of where the curves end."""
        points = [self._points(one) for one in ran]
        curves = [(one, _curve(of)) for one, of in zip(ran, points, strict=True)]
        picture, numbers = beside(stem, ".png"), beside(stem, ".csv")
        if drawn := [(one.entry.label, curve) for one, curve in curves if curve]:
            self._draw(picture, drawn, self._real(ran))
        _write_numbers(numbers, curves)
        notes = [
            f"{one.entry.label}: no {self.value} in the metrics.csv of {one.entry.name}"
            for one, curve in curves
            if one.finished and not curve
        ]
        title = log_names.title(self.value)
        rows = [["", f"{title}, at the end", "real images seen", "seeds"]]
        rows += [self._last(one, curve) for one, curve in curves]
        left_out = [
            f"{one.entry.label}: {n} values that are no numbers are left out"
            for one, of in zip(ran, points, strict=True)
            if (n := sum(not math.isfinite(value) for _, value in of))
        ]
        shown = [embedded(picture, self.title)] if drawn else []
        return Page("\n\n".join([*shown, markdown_table(rows)]), [picture, numbers][not drawn :], notes, left_out)

    def _points(self, ran: Ran) -> list[tuple[int, float]]:
        """(images seen, value) of all finished runs, whatever the value."""
        return [point for outcome in ran.finished for point in _logged(outcome, self.value).items()]

    def _last(self, ran: Ran, curve: Curve) -> list[str]:
        if not curve:
            return [ran.entry.label, NOT_MEASURED if ran.finished else NOT_RUN, "", "0"]
        seen, spread = list(curve.items())[-1]
        return [ran.entry.label, spread.said(self.digits), f"{seen:,}", str(spread.n)]

    def _real(self, ran: Sequence[Ran]) -> float | None:
        """Of real data, where the value is one that they have."""
        every = [outcome.results["real"] for one in ran for outcome in one.finished]
        found = [real[self.value] for real in every if self.value in real]
        return mean(found) if found else None

    def _draw(self, path: Path, curves: Sequence[tuple[str, Curve]], real: float | None) -> None:
        figure = Figure(figsize=(6.4, 4), dpi=160, layout="constrained")
        axes = figure.subplots()
        for i, (label, curve) in enumerate(curves):
            _draw_curve(axes, label, curve, f"C{i % 10}")
        if real is not None:
            axes.axhline(real, color="0.4", linestyle="--", linewidth=1, label="real data")
        axes.set(title=self.title, xlabel="real images seen", ylabel=log_names.title(self.value))
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.legend(frameon=False)
        figure.savefig(path, metadata={"Software": None})  # the same bytes whatever drew it


def _logged(outcome: Outcome, name: str) -> dict[int, float]:
    """Images seen -> value, of one run; rows without the value left out."""
    with (outcome.run.folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get(name) and row.get(log_names.IMAGES_SEEN)]
    return {int(float(row[log_names.IMAGES_SEEN])): float(row[name]) for row in rows}


def _curve(points: Sequence[tuple[int, float]]) -> Curve:
    found: dict[int, list[float]] = {}
    for seen, value in points:
        if math.isfinite(value):
            found.setdefault(seen, []).append(value)
    return {seen: Spread.of(found[seen]) for seen in sorted(found)}


def _draw_curve(axes: Axes, label: str, curve: Curve, color: str) -> None:
    x = list(curve)
    means = [spread.mean for spread in curve.values()]
    sds = [spread.sd or 0.0 for spread in curve.values()]
    axes.plot(x, means, color=color, label=label, marker="." if len(x) < 50 else "")
    low, high = ([m + sign * sd for m, sd in zip(means, sds, strict=True)] for sign in (-1, 1))
    axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)


def _write_numbers(path: Path, curves: Sequence[tuple[Ran, Curve]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["experiment", log_names.IMAGES_SEEN, "mean", "sd", "n"])
        for ran, curve in curves:
            for seen, spread in curve.items():
                sd = "" if spread.sd is None else spread.sd
                writer.writerow([ran.entry.name, seen, spread.mean, sd, spread.n])
