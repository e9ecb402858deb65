"""The neural-network divergence of samples from real data, as a measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mixgan_lightning import log_names
from mixgan_lightning.errors import DataError
from mixgan_lightning.evaluation.measure import AgainstRows, other
from mixgan_lightning.evaluation.real_data import Split
from mixgan_lightning.evaluation.seen import Seen
from mixgan_lightning.gan import MakeOptimizer
from mixgan_lightning.metrics.feature_rows import FeatureRows
from mixgan_lightning.networks import MLPDiscriminator
from mixgan_lightning.objectives import NeuralNetDistance, Objective
from mixgan_lightning.options import MANY, check_count
from mixgan_lightning.penalties import Penalty
from mixgan_lightning.processes import everyones, together
from mixgan_lightning.theory.neural_net_divergence import ADAM, neural_net_divergence

MakeDiscriminator = Callable[[Sequence[int]], nn.Module]  # of the shape of one sample


class NeuralNetDivergenceMeasure(AgainstRows):
    """Neural-network divergence from real data (paper, Definition 1); see `theory.neural_net_divergence`.

    Each set of samples meets a discriminator of its own, trained from the same initialisation on every other sample of
    it and of the reference; the value is what it gets on those between. Values compare only for one class of
    discriminators, one objective and equal numbers of samples. Real row: the other split. All samples are kept.

    Args:
        reference: "held_out", so that memorising does not help, or "train", as the game is played.
        discriminator: the class: ``discriminator(sample_shape) -> network``. Default: `MLPDiscriminator`, two hidden
            layers of 64, for data of any shape, and not the GAN's own class, so that different GANs compare.
        objective: f. Default: ``NeuralNetDistance()``, f(x) = x: 0 where no sample can be told, 1 where all can.
        penalty, optimizer, steps, batch_size: of `theory.neural_net_divergence`.
    """

    least = 2

    def __init__(
        self,
        reference: Split = "held_out",
        discriminator: MakeDiscriminator = MLPDiscriminator,
        objective: Objective | None = None,
        penalty: Penalty | None = None,
        optimizer: MakeOptimizer = ADAM,
        steps: int = 1_000,
        batch_size: int = 64,
    ) -> None:
        super().__init__()
        self.reference, self.real_rows = reference, (other(reference),)
        self.discriminator, self.optimizer = discriminator, optimizer
        self.objective = NeuralNetDistance() if objective is None else objective
        self.penalty, self.steps, self.batch_size = penalty, check_count("steps", steps, MANY), batch_size
        self._sample_shape: tuple[int, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        constrained = {} if self.penalty is None else {"penalty": _called(self.penalty)}
        return {
            **super().settings,
            "discriminator": _called(self.discriminator),
            "objective": _called(self.objective),
            **constrained,
            "optimizer": _called(self.optimizer),
            "steps": self.steps,
            "batch_size": self.batch_size,
        }

    def update(self, seen: Seen) -> None:
        if tuple(seen.samples.shape[1:]) != self._sample_shape:
            raise DataError(
                f"expected samples of shape {self._sample_shape}, got {tuple(seen.samples.shape[1:])}; "
                "give them the size of the real data that they are told from"
            )
        self.metric.update(seen.samples.flatten(1), seen.index)

    def _row(self, seen: Seen) -> Tensor:
        return seen.samples

    def _built(self, reference: Tensor) -> _Divergence:
        self._sample_shape = tuple(reference.shape[1:])
        self._measured(reference[:2], reference[:2], steps=1)  # what cannot be trained is told now
        return _Divergence(reference, partial(self._measured, steps=self.steps))

    def _measured(self, real: Tensor, fake: Tensor, steps: int) -> float:
        """The same on all processes: the first one's, for GPUs do not add up in one order."""
        with together():
            found = neural_net_divergence(
                real,
                fake,
                partial(self.discriminator, self._sample_shape),
                self.objective,
                penalty=self.penalty,
                optimizer=self.optimizer,
                steps=steps,
                batch_size=self.batch_size,
            )
        return everyones(found.held_out)[0]

    def _named(self, computed: Any) -> dict[str, float]:
        return {log_names.NEURAL_NET_DIVERGENCE: float(computed)}


class _Divergence(FeatureRows):
    """Keeps samples, flattened, for a function of all of them and of the reference (R, *sample shape)."""

    def __init__(self, reference: Tensor, function: Callable[[Tensor, Tensor], float]) -> None:
        super().__init__(reference.flatten(1))
        self.function, self.sample_shape = function, reference.shape[1:]

    def compute(self) -> Tensor:
        fake = self.ordered().to(self.reference.dtype)
        real, fake = (samples.unflatten(1, self.sample_shape) for samples in (self.reference, fake))
        return torch.tensor(self.function(real, fake), dtype=torch.float64)


def _called(made: Any) -> str:
    """How it was written: WeightClipping(limit=0.01), MLPDiscriminator, Adam(lr=0.001)."""
    if isinstance(made, partial):
        name, options = made.func.__name__, made.keywords
    elif hasattr(made, "__name__"):
        name, options = made.__name__, {}
    else:
        name, options = type(made).__name__, vars(made)
    return name + (f"({', '.join(f'{key}={value}' for key, value in options.items())})" if options else "")
