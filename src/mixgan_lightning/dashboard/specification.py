"""Which panels show what is logged."""

from __future__ import annotations

from functools import partial

from mixgan_lightning import log_names
from mixgan_lightning.dashboard.panels import (
    Band,
    Bars,
    Lines,
    ParallelCoordinates,
    Pictures,
    Scatter,
    Section,
    Table,
    each,
)
from mixgan_lightning.log_names import title

PLAYERS = ("generator", "discriminator")
SWEPT = ("mixture.size", "seed", "gan", "data")  # of a run's config
MEASURED = [name for name in log_names.TITLES if not name.endswith("/std")]


def dashboard(size: int = 5) -> list[Section]:
    """All sections; the ones that are looked at first are open.

    Args:
        size: components whose pictures are shown. Curves are of all components, whatever their number.
    """
    return [_quality(), _samples(size), _mixture(), _game(), _optimisation(), _sweep()]


def _quality() -> Section:
    of_mixture = [Lines(title(name), (name,)) for name in MEASURED]
    deviations = {name: name.removesuffix("/mean") + "/std" for name in MEASURED}
    bands = [
        Band(f"{title(mean)} and {title(sd)}", (mean, sd)) for mean, sd in deviations.items() if sd in log_names.TITLES
    ]
    of_components = [
        Lines(f"{title(name)} of each component", (each(partial(log_names.of_component, name=name)),))
        for name in MEASURED
    ]
    return Section("Quality", (*of_mixture, *bands, *of_components), is_open=True)


def _samples(size: int) -> Section:
    of_components = [
        Pictures(f"samples of component {i}", (log_names.samples_component(i),)) for i in range(size if size > 1 else 0)
    ]
    return Section(
        "Samples", (Pictures("samples of the mixture", (log_names.SAMPLES_MIXTURE,)), *of_components), is_open=True
    )


def _mixture() -> Section:
    weights = [Lines(f"weights of the {player}s", (each(partial(log_names.weight, player)),)) for player in PLAYERS]
    solved = [
        Lines(
            f"weights of the {player}s in the equilibrium of the payoff matrix",
            (each(partial(log_names.nash_weight, player)),),
        )
        for player in PLAYERS
    ]
    in_use = Lines("components in use, exp of the entropy", tuple(map(log_names.effective, PLAYERS)))
    return Section("Mixture", (*weights, *solved, in_use))


def _game() -> Section:
    return Section(
        "Game",
        (
            Lines("losses", (log_names.GENERATOR_LOSS, log_names.DISCRIMINATOR_LOSS)),
            Lines("mean scores", (log_names.REAL_SCORE, log_names.FAKE_SCORE)),
            Lines("value of the payoff", (log_names.PAYOFF_VALUE,)),
            Lines("gap of the payoff matrix", (log_names.PAYOFF_GAP,)),
            Lines("value of the payoff matrix in its equilibrium", (log_names.PAYOFF_NASH_VALUE,)),
            Lines("duality gap", (log_names.DUALITY_GAP,)),
            Lines("payoff of the best responses", (log_names.BEST_DISCRIMINATOR, log_names.BEST_GENERATOR)),
            Pictures("payoff matrix", (log_names.PAYOFF_HEATMAP,)),
            Table("payoff matrix in numbers", (log_names.PAYOFF_MATRIX,)),
        ),
    )


def _optimisation() -> Section:
    return Section(
        "Optimisation",
        (
            Lines("gradient norms, before clipping", tuple(map(log_names.gradient_norm, PLAYERS))),
            Lines("real images a second", (log_names.IMAGES_PER_SECOND,)),
        ),
    )


def _sweep() -> Section:
    objective, (size, seed, gan, data) = (log_names.OBJECTIVE,), SWEPT
    return Section(
        "Sweep",
        (
            ParallelCoordinates("objective and options", objective, SWEPT),
            *(Bars(f"objective by {option}, mean over runs", objective, (option,)) for option in (size, gan, data)),
            *(Scatter(f"objective by {option}, a point a run", objective, (option,)) for option in (size, seed)),
        ),
    )
