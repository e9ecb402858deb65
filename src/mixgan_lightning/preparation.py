"""What a GAN learns of the data before the game: on the first process, and then the same on all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl

from mixgan_lightning.evaluation import RealSamples
from mixgan_lightning.gan import GAN
from mixgan_lightning.processes import copy_from_first, together
from mixgan_lightning.sampling import own_stream


class _WholeTrainingData:
    """The batches of the Trainer's training data: every sample once, in the dataset's order, as often as iterated."""

    def __init__(self, trainer: pl.Trainer) -> None:
        self.source = _Source(trainer)

    def __iter__(self) -> Iterator[Any]:
        whole = RealSamples(self.source, "train", images=lambda batch: batch)
        return (batch for batch, _ in whole.batches())


class _Source(pl.LightningDataModule):
    """Whatever the Trainer was given to train on."""

    def __init__(self, trainer: pl.Trainer) -> None:
        super().__init__()
        self._of = trainer

    def train_dataloader(self) -> Any:
        return self._of.train_dataloader


def prepare(gan: GAN, trainer: pl.Trainer) -> None:
    """Have a GAN look at the data, where it wants to (``GAN.prepare``), with random streams of its own."""
    if type(gan).prepare is GAN.prepare:
        return
    with together():
        if trainer.is_global_zero:
            with own_stream(gan.like.device, 0):
                gan.prepare(_WholeTrainingData(trainer))
    copy_from_first(gan)
