"""Which way of evaluating the pairs is taken: the fastest of those that give the same as plain loops."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import asdict, fields, replace
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from torch import nn
from torch.nn.modules.conv import _ConvNd

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.optimizers import lay_out_state
from mixgan_lightning.payoff.comparison import Comparison, Precision, in_short, size_of_comparison
from mixgan_lightning.payoff.pairs import Pairs
from mixgan_lightning.payoff.ways import Way
from mixgan_lightning.room import free, said

LOOP = Way()
CONCAT = Way(joined=True)
VECTORISED = Way(vectorised=True, joined=True)
VECTORISED_APART = Way(vectorised=True)  # for discriminators with batch statistics
NAMED = {"loop": [LOOP], "concat": [CONCAT], "vectorised": [VECTORISED, VECTORISED_APART]}


class Choice:
    """How a training evaluates its pairs.

    Args:
        asked: auto, loop, concat or vectorised.
        recompute: whether activations of one network at a time are kept.
        compiled: whether every network is compiled (``torch.compile``); they are then called one by one.

    Attributes:
        made: the way, and the kind of device that it was chosen on, for checkpoints; None before the first batch.

    Raises:
        ConfigurationError: for anything else, and for vectorised with recompute: it calls all networks at once.
    """

    def __init__(self, asked: str, recompute: bool = False, compiled: bool = False) -> None:
        if asked not in ("auto", *NAMED):
            raise ConfigurationError(f"evaluation: expected auto, {', '.join(NAMED)}, got {asked!r}")
        for name, given in (("recompute", recompute), ("compiled", compiled)):
            if not isinstance(given, bool):
                raise ConfigurationError(f"{name}: expected true or false, got {given!r}")
            if given and asked == "vectorised":
                raise ConfigurationError(
                    f"{name}=True takes one network at a time, evaluation='vectorised' all at once; leave one out"
                )
        self.asked, self.recompute, self.compiled = asked, recompute, compiled
        self.made: dict[str, Any] | None = None
        self._settings: list[dict[str, Any]] = []

    def check_pair_by_pair(self) -> None:
        """For an unmodified GAN, whose step is replayed for each pair.

        Raises:
            ConfigurationError: where something else is asked for.
        """
        if self.asked not in ("auto", "loop") or self.recompute or self.compiled:
            flags = [f"{name}=True" for name in ("recompute", "compiled") if getattr(self, name)]
            given = next(iter(flags), f"evaluation={self.asked!r}")
            raise ConfigurationError(
                f"{given}: an unmodified GAN is played pair by pair; leave it out, or write the GAN as "
                "mixgan_lightning.GAN: networks and an objective"
            )

    def load(self, made: dict[str, Any] | None, *players: nn.Module) -> None:
        """Take over what a checkpoint says was chosen, and bring the players' parameters into that memory format.

        Convolutions round otherwise in the other, and a seed would give other images in their last digits.
        """
        self.made, self._settings = made, []
        for player in players if made else ():
            self._way().lay_out(player)

    def _way(self) -> Way:
        known = {field.name for field in fields(Way)}
        return Way(**{name: value for name, value in (self.made or {}).items() if name in known})

    def holds(self, pairs: Pairs) -> bool:
        """Whether it was made for the layers as they are now: a BatchNorm in eval mode then may learn now."""
        return self._settings == _settings(pairs)

    def make(self, pairs: Pairs, batch: Any, trainer: pl.Trainer) -> None:
        """Have the pairs evaluated as before an interruption, if it was on this kind of device; else as fits best.

        Args:
            pairs: the game.
            batch: the first one.
            trainer: of its precision; all its processes do the same.
        """
        device, precision = pairs.gan.like.device.type, trainer.strategy.precision_plugin.train_step_context
        pairs.part()
        again = bool(self._settings)  # the layers have changed: nothing of what was found holds
        same = not again and self.made is not None and self.made["device"] == device
        before = self._way() if same and self.asked == "auto" else None
        chosen = asdict(self._choose(pairs, batch, before, precision))
        self.made = {"device": device, **trainer.strategy.broadcast(chosen)}
        self._settings = _settings(pairs)
        pairs.evaluate(self._way())
        for optimizer in trainer.optimizers:
            lay_out_state(optimizer)
        for network in (*pairs.generators, *pairs.discriminators) if self.compiled else ():
            network.compile()

    def _choose(self, pairs: Pairs, batch: Any, before: Way | None, precision: Precision) -> Way:
        options = {"recompute": self.recompute, "one_by_one": self.compiled}
        return choose(self.asked, pairs, batch, before=before, precision=precision, **options)


def choose(
    asked: str,
    pairs: Pairs,
    batch: Any,
    recompute: bool = False,
    one_by_one: bool = False,
    before: Way | None = None,
    precision: Precision = nullcontext,
) -> Way:
    """The way to evaluate these pairs.

    ``loop`` is what it says. Any other is compared with plain loops, on copies and on the first batch: losses,
    gradients, buffers, random states. One that would change anything is not taken, and a line says why. ``auto``: on a
    CPU vectorised for networks without convolutions, else joined calls with channels_last, which were measured to be
    the fastest; on a GPU the quickest of all ways, timed here.

    Args:
        asked: auto, loop, concat or vectorised.
        pairs: the game; it is not touched.
        batch: the first batch.
        recompute: activations of one network at a time.
        one_by_one: not vectorised.
        before: what an interrupted training chose, so that it goes on as it was.
        precision: the context that the game is played in.
    """
    single = len(pairs.generators) == len(pairs.discriminators) == 1
    plain = asked == "loop" or (asked == "auto" and single)
    if plain and not recompute:
        return LOOP
    timed = asked == "auto" and before is None and is_timed(pairs)
    preferred = [LOOP] if plain else _in_order(asked, pairs)
    if recompute or one_by_one:
        preferred = [replace(way, recompute=recompute) for way in preferred if not way.vectorised]
    preferred = [*([before] if before else []), *preferred, LOOP]
    refused: dict[Way, str] = {}
    if reason := _why_not_compared(pairs, recompute):
        _tell(asked, LOOP, {preferred[0]: reason})
        return LOOP
    try:
        comparison = Comparison(pairs, batch, precision)
    except Exception as error:  # a GAN that cannot be copied, or no memory for a copy
        chosen, refused[preferred[0]] = LOOP, in_short(error)
    else:
        exact = _exact(comparison, preferred, refused)
        chosen = min(exact, key=comparison.seconds) if timed else next(iter(exact))
    _tell(asked, chosen, refused)
    return chosen


def is_timed(pairs: Pairs) -> bool:
    """Whether ``auto`` tells by a stopwatch: on a GPU, where it depends on the GPU and on the networks' sizes.

    Not where torch is to be deterministic (``trainer.deterministic=true``): a stopwatch is not.
    """
    return pairs.gan.like.device.type == "cuda" and not torch.are_deterministic_algorithms_enabled()


def _exact(comparison: Comparison, ways: Iterable[Way], refused: dict[Way, str]) -> Iterable[Way]:
    """Those that give the same, lazily; what does not goes into ``refused``."""
    for way in ways:
        reason = None if way == LOOP else comparison.why_not(way)
        if reason is None:
            yield way
        else:
            refused[way] = reason


def _in_order(asked: str, pairs: Pairs) -> list[Way]:
    """All ways, the first first."""
    convolutional = _has_convolutions(pairs)
    if asked == "auto":
        names = ["concat", "loop", "vectorised"] if convolutional else ["vectorised", "concat", "loop"]
    else:
        names = [asked, *(name for name in ("concat", "loop") if name != asked)]
    return [each for name in names for way in NAMED[name] for each in (*_quicker(way, pairs, convolutional), way)]


def _quicker(way: Way, pairs: Pairs, convolutional: bool) -> list[Way]:
    """What makes a way quicker where it can be had."""
    if way.vectorised:
        return [] if pairs.fakes.name == "full" else [replace(way, filled=True)]  # only shares differ in size
    return [replace(way, channels_last=True)] if convolutional else []


def _why_not_compared(pairs: Pairs, recompute: bool) -> str | None:
    """Why only plain loops can be had; None: there is no reason."""
    if _has_ties(pairs):
        return "some of its parameters share memory"
    taken, left = size_of_comparison(pairs), free(pairs.gan.like.device)
    if left is not None and taken > left and not recompute:  # plain loops instead of recompute would take more
        return f"comparing it on copies would take {said(taken)}, and {said(left)} are left"
    return None


def _has_ties(pairs: Pairs) -> bool:
    """Whether parameters are tied by their memory (``b.data = a.data``), which copies of them would not be."""
    held = [p for mixture in (pairs.generators, pairs.discriminators) for p in mixture.parameters() if p.numel()]
    return len({p.data_ptr() for p in held}) < len(held)


def _settings(pairs: Pairs) -> list[dict[str, Any]]:
    """Of torch's own layers, what says how they compute: their mode, the p of a dropout, a momentum."""
    layers = (layer for mixture in (pairs.generators, pairs.discriminators) for layer in mixture.components.modules())
    return [
        {name: value for name, value in vars(layer).items() if isinstance(value, (bool, int, float))}
        for layer in layers
        if type(layer).__module__.startswith("torch.nn")
    ]


def _has_convolutions(pairs: Pairs) -> bool:
    players = (pairs.generators, pairs.discriminators)
    return any(isinstance(layer, _ConvNd) for player in players for layer in player.components[0].modules())


def _tell(asked: str, chosen: Way, refused: dict[Way, str]) -> None:
    """One line, where it is not the way that was asked for, or that is usually the fastest."""
    first = next(iter(refused), chosen)
    if (chosen.name, chosen.recompute) == (first.name, first.recompute):
        return
    why = "; ".join({f"{way.name}: {reason}": None for way, reason in refused.items()})
    tell = rank_zero_info if asked == "auto" else rank_zero_warn
    tell(f"evaluation={asked}: the pairs are evaluated as {chosen}, since with {why}")
