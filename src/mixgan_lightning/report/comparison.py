"""Measured values over the mixture's size T."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.ticker import MaxNLocator

from mixgan_lightning import log_names
from mixgan_lightning.report import palette
from mixgan_lightning.report.numbers import short, spreads
from mixgan_lightning.report.summary import Row, Summary, brief
from mixgan_lightning.report.svg import Drawing, Key, figure, inline

OF_SIZE = ("mixture.size", "mixture")  # options that choose it

Groups = dict[str, list[tuple[int, Row]]]  # the other options, in words -> rows by size


def by_size(summary: Summary) -> list[Drawing]:
    """A figure a measured value; none where all runs are of one size."""
    groups = _groups(summary.rows)
    if not any(len({size for size, _ in group}) > 1 for group in groups.values()):
        return []
    return [_draw(groups, name, summary.real.get(name), f"size-{i}") for i, name in enumerate(summary.names)]


def _groups(rows: Sequence[Row]) -> Groups:
    """Rows that differ in nothing but their size; those of ``mixture=`` in its kind as well (independent5)."""
    found: dict[tuple[tuple[str, str], ...], list[tuple[int, Row]]] = {}
    for row in rows:
        if row.size is not None and row.finished:
            others = {key: value for key, value in row.options.items() if key not in OF_SIZE}
            kind = {"mixture": row.kind} if row.kind is not None else {}
            found.setdefault(tuple((others | kind).items()), []).append((row.size, row))
    return {
        " ".join(f"{key}={brief(value)}" for key, value in others): sorted(group, key=lambda one: one[0])
        for others, group in found.items()
    }


def _draw(groups: Groups, name: str, real: float | None, figure_name: str) -> Drawing:
    title = log_names.title(name)
    legend, said = [], []
    with figure() as drawn:
        axes = drawn.subplots()
        axes.set_xlabel("mixture size T")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        for i, (others, group) in enumerate(groups.items()):
            measured = [(size, row.values[name]) for size, row in group if name in row.values]
            sizes = [size for size, _ in measured]
            sds = [of.sd or 0.0 for _, of in measured]
            style = {"color": palette.color(i), "linestyle": palette.dashes(i), "marker": "o", "capsize": 3}
            axes.errorbar(sizes, [of.mean for _, of in measured], sds if any(sds) else None, **style)  # type: ignore[arg-type]
            legend.append(Key(others, palette.variable(palette.color(i)), palette.dashes(i)))
            texts = spreads([of for _, of in measured])
            said += [f"{others} T={size}: {text}".strip() for size, text in zip(sizes, texts, strict=True)]
        if real is not None:
            axes.axhline(real, color=palette.MUTED, linestyle="--", linewidth=1)
            legend.append(Key(f"real data {short(real)}", palette.variable(palette.MUTED), "dashed"))
        shown = tuple(key for key in legend if key.label)
        return Drawing(title, inline(drawn, figure_name, f"{title} by mixture size: {'; '.join(said)}"), shown)
