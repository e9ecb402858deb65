"""The first batches of a training: where the payoff matrix is measured, always on the same ones."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from mixgan_lightning.mixture_module import MixtureModule
from mixgan_lightning.options import check_count, check_seed
from mixgan_lightning.payoff import payoff_matrix
from mixgan_lightning.sampling import chunk_seed


class FirstBatches:
    """Keeps the first batches that a training sees, until it is interrupted, and measures F on them.

    Args:
        num_samples: real samples to keep, in whole batches, over all processes.
        seed: of the latents.
    """

    def __init__(self, num_samples: int = 1024, seed: int = 0) -> None:
        self.num_samples, self.seed = check_count("num_samples", num_samples), check_seed(seed)
        self.forget()

    def forget(self) -> None:
        """Begin anew, with another training."""
        self.batches: list[Any] = []
        self._left = self.num_samples

    def see(self, module: MixtureModule, batch: Any) -> None:
        """Keep it, while there are too few."""
        if self._left > 0:
            self.batches.append(batch)
            self._left -= len(module.gan.images(batch)) * module.trainer.world_size

    def payoff(self, module: MixtureModule, trainer: pl.Trainer) -> Tensor:
        """F, (Tu, Tv), on what was kept, over all processes; each draws latents of its own."""
        rank = trainer.global_rank
        seed = self.seed if rank == 0 else chunk_seed(self.seed, rank)
        matrix = payoff_matrix(module.gan, module.generators, module.discriminators, self.batches, seed)  # type: ignore[arg-type]
        return trainer.strategy.reduce(matrix, reduce_op="mean")
