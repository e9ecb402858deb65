"""The learnt weights of both players over time."""

from __future__ import annotations

from mixgan_lightning import log_names
from mixgan_lightning.report import palette
from mixgan_lightning.report.curves import note
from mixgan_lightning.report.metrics import Metrics, Series
from mixgan_lightning.report.numbers import short
from mixgan_lightning.report.run import PLAYERS
from mixgan_lightning.report.svg import Drawing, Key, figure, inline, over_images


def weight_curves(metrics: Metrics) -> list[Drawing]:
    """A figure a player with more than one component."""
    found = {player: _weights(metrics, player) for player in PLAYERS}
    return [_draw(player, series) for player, series in found.items() if len(series) > 1]


def _weights(metrics: Metrics, player: str) -> list[Series]:
    found: list[Series] = []
    while (name := log_names.weight(player, len(found))) in metrics:
        found.append(metrics[name])
    return found


def _draw(player: str, series: list[Series]) -> Drawing:
    letter, uniform = player[0].upper(), 1 / len(series)
    with figure() as drawn:
        axes = drawn.subplots()
        over_images(axes)
        axes.axhline(uniform, color=palette.MUTED, linestyle=(0, (1, 3)), linewidth=1)
        for i, of in enumerate(series):
            thin = of.thinned()
            axes.plot(thin.seen, thin.values, color=palette.color(i), linestyle=palette.dashes(i))
        keys = tuple(
            Key(f"{letter}{i} {of.last:.2f}", palette.variable(palette.color(i)), palette.dashes(i))
            for i, of in enumerate(series)
        )
        ends = ", ".join(key.label for key in keys)
        alt = f"weights of {len(series)} {player}s over real images seen; at the end {ends}"
        said = "; ".join(filter(None, [f"fine dots: uniform, {short(uniform)}", note(series)]))
        return Drawing(f"weights of the {player}s", inline(drawn, f"weights-{player}", alt), keys, said)
