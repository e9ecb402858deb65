"""Curves of one run over the images that it has seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mixgan_lightning import log_names
from mixgan_lightning.report import palette
from mixgan_lightning.report.metrics import Metrics, Series
from mixgan_lightning.report.numbers import short
from mixgan_lightning.report.run import RunFiles, is_measured
from mixgan_lightning.report.svg import Drawing, Key, figure, inline, over_images

GAME: dict[str, dict[str, str]] = {  # title -> line -> log name
    "payoff value": {"wᵤᵀ F wᵥ": log_names.PAYOFF_VALUE},
    "gap of the payoff matrix": {"gap": log_names.PAYOFF_GAP},
    "duality gap, by best responses": {"gap": log_names.DUALITY_GAP},
    "losses": {"generators": log_names.GENERATOR_LOSS, "discriminators": log_names.DISCRIMINATOR_LOSS},
    "mean scores": {"of fakes": log_names.FAKE_SCORE, "of real images": log_names.REAL_SCORE},
    "gradient norms": {
        "generators": log_names.gradient_norm("generator"),
        "discriminators": log_names.gradient_norm("discriminator"),
    },
    "components in use, exp H(w)": {
        "generators": log_names.effective("generator"),
        "discriminators": log_names.effective("discriminator"),
    },
    "images a second": {"real images": log_names.IMAGES_PER_SECOND},
}
FEW = 40  # points that are marked one by one


def quality_curves(run: RunFiles) -> list[Drawing]:
    """Every measured value, with real data's as a dashed line."""
    real = run.measured("real")
    return [
        lines(log_names.title(name), {log_names.title(name): series}, f"quality-{i}", real.get(name))
        for i, (name, series) in enumerate(_measured(run.metrics))
    ]


def game_curves(metrics: Metrics) -> list[Drawing]:
    """Payoff, losses, scores: what there is of `GAME`."""
    found = {
        title: {label: metrics[name] for label, name in of.items() if name in metrics} for title, of in GAME.items()
    }
    return [lines(title, series, f"game-{i}") for i, (title, series) in enumerate(found.items()) if series]


def lines(title: str, series: Mapping[str, Series], name: str, real: float | None = None) -> Drawing:
    """One figure.

    Args:
        title: above it.
        series: label -> a line.
        name: its own on the page.
        real: real data's value.
    """
    with figure() as drawn:
        axes = drawn.subplots()
        over_images(axes)
        for i, of in enumerate(series.values()):
            thin, marker = of.thinned(), "." if len(of.seen) < FEW else ""
            axes.plot(thin.seen, thin.values, color=palette.color(i), linestyle=palette.dashes(i), marker=marker)
        if all(len(of.seen) == 1 for of in series.values()):
            axes.set_xlim(0, 2 * axes.get_xlim()[1])  # no zoom on one moment
        if real is not None:
            axes.axhline(real, color=palette.MUTED, linestyle="--", linewidth=1)
        keys = [Key(label, palette.variable(palette.color(i))) for i, label in enumerate(series)] * (len(series) > 1)
        keys += [] if real is None else [Key(f"real data {short(real)}", palette.variable(palette.MUTED), "dashed")]
        return Drawing(title, inline(drawn, name, _said(title, series, real)), tuple(keys), note(series.values()))


def note(series: Iterable[Series]) -> str:
    """What the lines do not show."""
    every = list(series)
    rows = max(len(one.seen) / len(one.thinned().seen) for one in every)
    left_out = sum(one.left_out for one in every)
    found = [f"a point: the mean of {rows:.0f} logged values"] if rows > 1 else []
    found += [f"{left_out} {'value is' if left_out == 1 else 'values are'} not finite and left out"] if left_out else []
    return "; ".join(found)


def _measured(metrics: Metrics) -> Sequence[tuple[str, Series]]:
    """In the order of `log_names.TITLES`; measures of the user's own last."""
    names = [name for name in metrics if is_measured(name) and not name.endswith("/std")]
    order = list(log_names.TITLES)
    names.sort(key=lambda name: (order.index(name) if name in order else len(order), name))
    return [(name, metrics[name]) for name in names]


def _said(title: str, series: Mapping[str, Series], real: float | None) -> str:
    ends = [f"{label} from {short(of.values[0])} to {short(of.last)}" for label, of in series.items()]
    ends += [f"real data {short(real)}"] if real is not None else []
    return f"{title} over real images seen: {'; '.join(ends)}"
