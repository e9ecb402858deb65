"""The real data that samples are compared with: each sample once, in the dataset's order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from mixgan_lightning.processes import ALL, Share
from mixgan_lightning.sampling import CHUNK

Split = Literal["train", "held_out"]
LOADERS: dict[Split, str] = {"train": "train_dataloader", "held_out": "val_dataloader"}
SPLITS: tuple[Split, ...] = ("train", "held_out")


class RealSamples:
    """The images of a datamodule's split, none dropped and none shuffled; empty where there is no such split.

    Iterate it under a random stream of its own: a DataLoader draws from torch's global one.

    Args:
        datamodule: a LightningDataModule, or None.
        split: "train" (its train_dataloader) or "held_out" (its val_dataloader).
        images: picks the images out of a batch (``gan.images``).
        limit: the first so many samples alone.
    """

    def __init__(
        self, datamodule: Any, split: Split, images: Callable[[Any], Tensor], limit: int | None = None
    ) -> None:
        self.split, self.images, self.limit = split, images, limit
        there = datamodule is not None and is_overridden(LOADERS[split], datamodule, pl.LightningDataModule)
        self.loader: Any = getattr(datamodule, LOADERS[split])() if there else []

    def __len__(self) -> int:
        """How many samples; a stream of unknown length is read through."""
        n = len(self.loader.dataset) if self._is_indexed else sum(len(self.images(batch)) for batch in self.loader)
        return n if self.limit is None else min(n, self.limit)

    def batches(self, share: Share = ALL) -> Iterator[tuple[Tensor, Tensor]]:
        """(images, their numbers), for every share.size-th batch."""
        for start, batch in self._indexed(share) if self._is_indexed else self._streamed(share):
            images = self.images(batch)
            images = images if self.limit is None else images[: max(0, self.limit - start)]
            if not len(images):
                return
            yield images, torch.arange(start, start + len(images))

    @property
    def _is_indexed(self) -> bool:
        loader = self.loader
        whole = isinstance(loader, DataLoader) and loader.batch_sampler is not None  # whose samples it puts together
        return whole and not isinstance(loader.dataset, IterableDataset)

    def _indexed(self, share: Share) -> Iterator[tuple[int, Any]]:
        """Only this share's batches are read."""
        loader = self.loader
        n, size = len(loader.dataset), loader.batch_size or CHUNK
        starts = range(share.rank * size, n, share.size * size)
        mine = [list(range(start, min(n, start + size))) for start in starts]
        options = {"collate_fn": loader.collate_fn, "num_workers": loader.num_workers}
        return zip(starts, DataLoader(loader.dataset, batch_sampler=mine, **options), strict=True)

    def _streamed(self, share: Share) -> Iterator[tuple[int, Any]]:
        """All batches are read, and the others' dropped."""
        start = 0
        for number, batch in enumerate(self.loader):
            if number % share.size == share.rank:
                yield start, batch
            start += len(self.images(batch))
