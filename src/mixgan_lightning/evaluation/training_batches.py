"""The training data read beside the training: whole batches, which the training does not notice."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import pytorch_lightning as pl

from mixgan_lightning.errors import DataError
from mixgan_lightning.evaluation.real_data import RealSamples
from mixgan_lightning.processes import Share


class TrainingBatches:
    """The batches of whatever a Trainer trains on: every sample once, in the dataset's order, as often as iterated.

    Read them under a random stream of its own (`sampling.own_stream`).
    """

    def __init__(self, trainer: pl.Trainer) -> None:
        self._trainer = trainer

    def __iter__(self) -> Iterator[Any]:
        return (batch for batch, _ in self._whole().batches())

    def some(self, n: int, share: Share) -> list[Any] | None:
        """This share of about n samples in whole batches, at least one, always the same ones, drawn by a fixed seed.

        None for what cannot be read so: a stream, several dataloaders, samples that are not asked for by a number.
        """
        try:
            whole = self._whole()
        except (DataError, TypeError):
            return None
        if whole.indices is None:
            return None
        together = whole.batch_size * share.size  # samples of a batch each
        batches = max(1, min(math.ceil(n / together), len(whole.indices) // together))
        whole.indices = random.Random(0).sample(whole.indices, len(whole.indices))[: batches * together]
        mine = [batch for batch, _ in whole.batches(share)]
        return mine or [next(iter(whole.batches()))[0]]  # fewer samples than processes could share

    def _whole(self) -> RealSamples:
        return RealSamples(_Source(self._trainer), "train", images=lambda batch: batch)


class _Source(pl.LightningDataModule):
    """Whatever the Trainer was given."""

    def __init__(self, trainer: pl.Trainer) -> None:
        super().__init__()
        self._of = trainer

    def train_dataloader(self) -> Any:
        return self._of.train_dataloader
