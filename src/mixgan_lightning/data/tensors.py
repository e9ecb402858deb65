"""Data that fit into memory: a whole batch is one indexing operation."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mixgan_lightning.errors import DataError
from mixgan_lightning.options import check_count, check_memory

Batch = Tensor | tuple[Tensor, ...]


class BatchedTensors(Dataset[Batch]):
    """Tensors of equal length, of which a batch is taken by one indexing, several times faster than sample by sample.

    A sample, and a batch, is a tensor if there is one tensor and a tuple if there are more. Use it with an ordinary
    `DataLoader(batch_size=…, shuffle=…, collate_fn=as_is)`, in which Lightning can replace the sampler under DDP.

    Images may be kept as uint8, a quarter of the memory: what is taken of them is float32 in [−1, 1].

    Args:
        tensors: one or more tensors of shape (N, …); of the first, uint8 levels come out as x/127.5 − 1.

    Raises:
        DataError: no tensors, or tensors of different lengths.

    Example:
        >>> loader = DataLoader(BatchedTensors(torch.arange(5.0)), batch_size=3, collate_fn=as_is)
        >>> [batch.tolist() for batch in loader]
        [[0.0, 1.0, 2.0], [3.0, 4.0]]
        >>> BatchedTensors(torch.tensor([[0, 255]], dtype=torch.uint8))[0].tolist()
        [-1.0, 1.0]
    """

    def __init__(self, *tensors: Tensor) -> None:
        lengths = [len(tensor) for tensor in tensors]
        if len(set(lengths)) != 1:
            raise DataError(f"expected tensors of one length, got lengths {lengths}; pair every image with its label")
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> Batch:
        return self._take(index)

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The batch of these samples; what DataLoader asks for where a dataset offers it."""
        return self._take(torch.as_tensor(indices))

    def _take(self, index: int | Tensor) -> Batch:
        images, *others = (tensor[index] for tensor in self.tensors)
        if images.dtype == torch.uint8:
            images = images / 127.5 - 1
        return (images, *others) if others else images


def as_is(batch: Any) -> Any:
    """The collate_fn of `BatchedTensors`, whose batches come collated."""
    return batch


def check_images(n: int, sample_shape: Sequence[int]) -> None:
    """Whether n images of float32 can be made at once.

    Raises:
        ConfigurationError: where they are more than the memory that is free.
    """
    check_memory(f"{n:,} samples of shape {tuple(sample_shape)}", 4 * n * prod(sample_shape), "lower data.image_size")


class TensorDataModule(pl.LightningDataModule):
    """Training and validation data held in memory: override `load` and set `sample_shape` (and `num_classes`).

    A batch is a tensor of images (B, *sample_shape), or a tuple (images, labels) where there are labels. Training
    batches are shuffled and whole; validation batches come in order and the last may be smaller.

    Args:
        batch_size: samples in a batch, per process. 64: what the small tasks and most GAN papers use.

    Raises:
        ConfigurationError: batch_size < 1.
        DataError: at setup, for data that are empty, smaller than a batch, not finite, or of another shape than
            `sample_shape`, and for labels that are not integers in [0, num_classes).

    Example:
        >>> class Points(TensorDataModule):
        ...     sample_shape = (2,)
        ...     def load(self):
        ...         return (torch.zeros(80, 2),), (torch.zeros(20, 2),)
        >>> data = Points(batch_size=16)
        >>> data.setup()
        >>> len(data.train_dataloader()), len(data.val_dataloader())
        (5, 2)
    """

    sample_shape: tuple[int, ...]
    num_classes: int | None = None

    def __init__(self, batch_size: int = 64) -> None:
        super().__init__()
        self.batch_size = check_count("batch_size", batch_size)
        self.train: BatchedTensors | None = None
        self.validation: BatchedTensors | None = None

    def load(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The training and the validation tensors, each (images,) or (images, labels).

        Images are floats as the GAN shall see them, or uint8 levels, which batches scale to [−1, 1].
        """
        raise NotImplementedError

    def setup(self, stage: str | None = None) -> None:
        """Load and check the data, once."""
        if self.train is not None:
            return
        train, validation = self.load()
        for name, tensors in (("training", train), ("validation", validation)):
            self._check(name, *tensors)
        processes = self.trainer.world_size if self.trainer is not None else 1
        if len(train[0]) < self.batch_size * processes:
            raise DataError(
                f"expected at least one batch of training data, {self.batch_size} samples for each of {processes} "
                f"processes, got {len(train[0])}; lower batch_size or add data"
            )
        self.train, self.validation = BatchedTensors(*train), BatchedTensors(*validation)

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled batches of exactly batch_size."""
        return DataLoader(self._ready(self.train), self.batch_size, shuffle=True, drop_last=True, collate_fn=as_is)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Every validation sample once, in order."""
        return DataLoader(self._ready(self.validation), self.batch_size, collate_fn=as_is)

    def _ready(self, dataset: BatchedTensors | None) -> BatchedTensors:
        if dataset is None:
            raise DataError("expected data that are set up; call setup() before asking for a dataloader")
        return dataset

    def _check(self, name: str, images: Tensor, labels: Tensor | None = None) -> None:
        if not len(images):
            raise DataError(f"expected {name} data, got none; use more samples or another validation share")
        if images.shape[1:] != self.sample_shape:
            raise DataError(f"expected {name} samples of shape {self.sample_shape}, got {tuple(images.shape[1:])}")
        if images.is_floating_point():
            self._check_finite(name, images)
        if labels is None:
            return
        if labels.is_floating_point() or labels.min() < 0 or labels.max() >= (self.num_classes or 0):
            raise DataError(
                f"expected {name} labels to be integers in [0, {self.num_classes}), got {labels.dtype} in "
                f"[{labels.min()}, {labels.max()}]; set num_classes to the number of classes"
            )

    @staticmethod
    def _check_finite(name: str, images: Tensor) -> None:
        bad = (~images.isfinite()).flatten(1).any(1).nonzero().flatten()
        if len(bad):
            raise DataError(
                f"expected finite {name} data, got NaN or infinity in {len(bad)} of {len(images)} samples, "
                f"the first at index {int(bad[0])}; drop or repair them"
            )
