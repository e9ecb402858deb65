"""Batches of the training data that are always the same: where the payoff matrix is measured."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from torch import Tensor

from mixgan_lightning.evaluation import TrainingBatches
from mixgan_lightning.mixture_module import MixtureModule
from mixgan_lightning.options import check_count, check_seed
from mixgan_lightning.payoff import payoff_matrix
from mixgan_lightning.processes import Share
from mixgan_lightning.sampling import chunk_seed, own_stream


class FixedBatches:
    """Some of the training data, the same ones in a training that goes on; of a stream, or of several dataloaders, the
    first batches that it sees.

    The training does not notice, unless its dataset remembers what it gave.

    Args:
        num_samples: real samples, in whole batches, over all processes.
        seed: of the latents.
    """

    def __init__(self, num_samples: int = 1024, seed: int = 0) -> None:
        self.num_samples, self.seed = check_count("num_samples", num_samples), check_seed(seed)
        self.batches: list[Any] = []
        self._left = 0

    def read(self, module: MixtureModule) -> None:
        """At a training's start."""
        trainer = module.trainer
        with own_stream(module.device, self.seed):
            found = TrainingBatches(trainer).some(self.num_samples, Share(trainer.global_rank, trainer.world_size))
            self.batches = [transferred(batch, trainer) for batch in found or []]
        self._left = self.num_samples if found is None else 0

    def see(self, module: MixtureModule, batch: Any) -> None:
        """Of a stream: keep it, while there are too few."""
        if self._left > 0:
            self.batches.append(batch)
            self._left -= len(module.gan.images(batch)) * module.trainer.world_size

    def payoff(self, module: MixtureModule, trainer: pl.Trainer) -> Tensor:
        """F, (Tu, Tv), over all processes; each draws latents of its own."""
        rank = trainer.global_rank
        seed = self.seed if rank == 0 else chunk_seed(self.seed, rank)
        matrix = payoff_matrix(module.gan, module.generators, module.discriminators, self.batches, seed)  # type: ignore[arg-type]
        return trainer.strategy.reduce(matrix, reduce_op="mean")


def transferred(batch: Any, trainer: pl.Trainer) -> Any:
    """As a training step gets it."""
    batch = trainer.precision_plugin.convert_input(batch)
    batch = trainer.lightning_module._on_before_batch_transfer(batch, dataloader_idx=0)
    return trainer.strategy.batch_to_device(batch, dataloader_idx=0)
