"""The real data that samples are compared with: each sample once, in the dataset's order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    WeightedRandomSampler,
)

from mixgan_lightning.errors import DataError
from mixgan_lightning.payoff.trees import chained, rows_of
from mixgan_lightning.processes import ALL, Share
from mixgan_lightning.sampling import CHUNK, own_stream

Split = Literal["train", "held_out"]
LOADERS: dict[Split, str] = {"train": "train_dataloader", "held_out": "val_dataloader"}
SPLITS: tuple[Split, ...] = ("train", "held_out")
WHOLE = (SequentialSampler, RandomSampler, DistributedSampler, WeightedRandomSampler)  # that choose no part


class RealSamples:
    """The images of a datamodule's split, none dropped and none shuffled; empty where there is no such split.

    Make and iterate it under a random stream of its own: samplers and DataLoaders draw from torch's global one. A
    sampler that chooses some of the dataset's samples is followed. Random augmentation is drawn from a stream of each
    batch's own: the same whatever the number of processes and workers.

    Args:
        datamodule: a LightningDataModule, or None.
        split: "train" (its train_dataloader) or "held_out" (its val_dataloader).
        images: picks the images out of a batch (``gan.images``).
        limit: so many samples alone, evenly spaced (many datasets are sorted by class); of a stream the first.

    Raises:
        DataError: when the datamodule gives several dataloaders.
    """

    def __init__(
        self, datamodule: Any, split: Split, images: Callable[[Any], Tensor], limit: int | None = None
    ) -> None:
        self.split, self.images, self.limit = split, images, limit
        there = datamodule is not None and is_overridden(LOADERS[split], datamodule, pl.LightningDataModule)
        loader = getattr(datamodule, LOADERS[split])() if there else None
        self.loader: Any = [] if loader is None else loader
        if isinstance(self.loader, dict) or any(isinstance(one, DataLoader) for one in _listed(self.loader)):
            raise DataError(f"{LOADERS[split]}: expected one DataLoader to score real data of, got several; give one")
        self.indices = evenly(_indices(self.loader), limit) if _is_indexed(self.loader) else None

    def __len__(self) -> int:
        """How many samples; a stream of unknown length is read, up to the limit."""
        return len(self.indices) if self.indices is not None else sum(len(images) for images, _ in self._streamed(ALL))

    @property
    def batch_size(self) -> int:
        """Samples read at once."""
        return self.loader.batch_size or CHUNK

    def batches(self, share: Share = ALL) -> Iterator[tuple[Tensor, Tensor]]:
        """(images, their numbers), for every share.size-th batch."""
        return self._streamed(share) if self.indices is None else self._indexed(self.indices, share)

    def _indexed(self, indices: Sequence[int], share: Share) -> Iterator[tuple[Tensor, Tensor]]:
        """Only this share's batches are read."""
        size = self.batch_size
        starts = range(share.rank * size, len(indices), share.size * size)
        mine = [list(indices[start : start + size]) for start in starts]
        options = {name: getattr(self.loader, name) for name in ("collate_fn", "num_workers", "worker_init_fn")}
        loader = DataLoader(_OwnStreams(self.loader.dataset), batch_sampler=mine, **options)
        for start, batch in zip(starts, loader, strict=True):
            images = self.images(batch)
            yield images, torch.arange(start, start + len(images))

    def _streamed(self, share: Share) -> Iterator[tuple[Tensor, Tensor]]:
        """All batches are read, and the others' dropped."""
        start = 0
        for number, batch in enumerate(self.loader):
            images = self.images(batch)[: None if self.limit is None else self.limit - start]
            if number % share.size == share.rank:
                yield images, torch.arange(start, start + len(images))
            start += len(images)
            if start == self.limit:
                return


def real_batch(datamodule: Any, split: Split, images: Callable[[Any], Tensor], limit: int) -> Any:
    """As many real samples as one batch, labels and all, as the datamodule's own batches are; fewer, where there are.

    Args:
        datamodule, split, images: see `RealSamples`.
        limit: so many, evenly spaced; of a stream the first.

    Raises:
        DataError: where there are none.
    """
    parts, n = [], 0
    with own_stream(torch.device("cpu"), 0):  # a DataLoader draws from torch's global stream
        whole = RealSamples(datamodule, split, images=lambda batch: batch)
        if whole.indices is not None:
            whole.indices = evenly(whole.indices, limit)
        for batch, _ in whole.batches():
            parts.append(batch)
            n += len(images(batch))
            if n >= limit:
                break
    if not parts:
        raise DataError(
            f"the game is measured on real data ({split}): call trainer.fit(model, datamodule=...) with a "
            f"LightningDataModule that has {LOADERS[split]}"
        )
    return rows_of(chained(parts), n, slice(limit))


def evenly(items: Sequence[Any], limit: int | None) -> Sequence[Any]:
    """``limit`` of the items, evenly spaced, in their order; all of them, where they are no more."""
    n = len(items)
    return items if limit is None or limit >= n else [items[k * n // limit] for k in range(limit)]


class _OwnStreams(Dataset[Any]):
    """A dataset whose batches draw from random streams of their own."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset

    def __getitems__(self, indices: list[int]) -> Any:
        with own_stream(torch.device("cpu"), indices[0]):
            if hasattr(self.dataset, "__getitems__"):
                return self.dataset.__getitems__(indices)
            return [self.dataset[index] for index in indices]


def _listed(loader: Any) -> Sequence[Any]:
    return loader if isinstance(loader, list | tuple) else ()


def _is_indexed(loader: Any) -> bool:
    """Whether the loader puts batches together of samples that can be asked for by their index."""
    whole = isinstance(loader, DataLoader) and loader.batch_sampler is not None
    return whole and not isinstance(loader.dataset, IterableDataset)


def _indices(loader: Any) -> Sequence[int]:
    """The samples that the loader would ever give, in the dataset's order."""
    if type(loader.batch_sampler) is not BatchSampler:
        return sorted({int(index) for batch in loader.batch_sampler for index in batch})
    sampler = loader.batch_sampler.sampler
    if isinstance(sampler, WHOLE):
        return range(len(loader.dataset))
    return sorted(set(map(int, sampler)))
