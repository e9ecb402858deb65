"""The real data that samples are compared with: each sample once, in the dataset's order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch.utils.data import DataLoader, IterableDataset

Split = Literal["train", "held_out"]
LOADERS = {"train": "train_dataloader", "held_out": "val_dataloader"}


def real_batches(datamodule: Any, split: Split) -> Iterator[Any]:
    """Batches of a split, none dropped and none shuffled; nothing where the datamodule has no such split.

    Call it under a stream of its own: a DataLoader draws from torch's global one.
    """
    if datamodule is None or not is_overridden(LOADERS[split], datamodule, pl.LightningDataModule):
        return
    loader = getattr(datamodule, LOADERS[split])()
    if isinstance(loader, DataLoader) and loader.batch_size and not isinstance(loader.dataset, IterableDataset):
        loader = DataLoader(
            loader.dataset, loader.batch_size, collate_fn=loader.collate_fn, num_workers=loader.num_workers
        )
    yield from loader
