"""CIFAR-10 (Krizhevsky 2009)."""

from __future__ import annotations

import math
import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torchvision.datasets import CIFAR10

from mixgan_lightning.data.files import FilesDataModule

TRAIN, TEST = ([name for name, _ in files] for files in (CIFAR10.train_list, CIFAR10.test_list))
ARRAYS = {  # all that a batch is made of beside strings, numbers and lists
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # numpy 1's name of the module
    ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
}


class CIFAR10DataModule(FilesDataModule):
    """Images (B, 3, 32, 32) in [−1, 1] with labels (B,) in 0 … 9: 50,000 for training, the 10,000 of the test held out.

    Read from ``root/cifar-10-python.tar.gz``, or from its files in ``root/cifar-10-batches-py`` where all of them lie
    there (torchvision's layout); nothing is extracted. They are pickles: each is verified first, and even where it
    is not (its hash is None), one that asks for more than arrays is refused, and nothing in it is run.

    Args:
        root, batch_size, download, hashes: see `FilesDataModule`.

    Raises:
        ConfigurationError, DataError: see `FilesDataModule`.

    Example:
        >>> CIFAR10DataModule(root="/no/such/folder").setup()
        Traceback (most recent call last):
        mixgan_lightning.errors.DataError: CIFAR-10 is missing: expected /no/such/folder/cifar-10-python.tar.gz; put ...
    """

    title = "CIFAR-10"
    official: ClassVar = {CIFAR10.filename: CIFAR10.tgz_md5} | dict([*CIFAR10.train_list, *CIFAR10.test_list])
    sample_shape = (3, 32, 32)
    num_classes = 10

    def __init__(
        self,
        root: str | Path = "data",
        batch_size: int = 64,
        download: bool = False,
        hashes: Mapping[str, str | None] | None = None,
    ) -> None:
        super().__init__(root, batch_size, download, hashes)

    def path(self, name: str) -> Path:
        return self.root / name if name == CIFAR10.filename else self.root / CIFAR10.base_folder / name

    def urls(self, name: str) -> list[str]:
        return [CIFAR10.url]

    def required(self) -> list[str]:
        """The extracted batches where they all lie, else the archive."""
        batches = [*TRAIN, *TEST]
        return batches if all(self.path(name).is_file() for name in batches) else [CIFAR10.filename]

    def load(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Training and test images, uint8, with their labels."""
        self.prepare_data()
        batches = self._archived() if CIFAR10.filename in self.required() else self._extracted()
        return tuple(torch.cat(parts) for parts in zip(*map(batches.__getitem__, TRAIN), strict=True)), batches[TEST[0]]

    def _extracted(self) -> dict[str, tuple[Tensor, Tensor]]:
        batches = {}
        for name in [*TRAIN, *TEST]:
            with self.opened(name) as file:
                batches[name] = _batch(file)
        return batches

    def _archived(self) -> dict[str, tuple[Tensor, Tensor]]:
        batches = {}
        with self.opened(CIFAR10.filename) as file, tarfile.open(fileobj=file, mode="r:gz") as archive:
            for member in archive:  # in their order: going back would decompress all again
                folder, _, name = member.name.rpartition("/")
                contents = archive.extractfile(member) if folder == CIFAR10.base_folder else None
                if contents is not None and name in (*TRAIN, *TEST):
                    batches[name] = _batch(contents)
            if missing := {*TRAIN, *TEST} - set(batches):
                raise ValueError(f"expected {', '.join(sorted(missing))} in it")
        return batches


class _ArraysOnly(pickle.Unpickler):
    """What holds more than plain arrays is refused before it can do anything."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, expected arrays alone: nothing of it was run")
        return ARRAYS[module, name]


def _batch(file: Any) -> tuple[Tensor, Tensor]:
    """Images (N, 3, 32, 32), uint8, and labels (N,) of an open batch."""
    entry = _ArraysOnly(file, encoding="latin1").load()  # written by Python 2
    pixels, labels = entry["data"], entry["labels"]
    shape = CIFAR10DataModule.sample_shape
    if pixels.dtype != np.uint8 or pixels.shape != (len(labels), math.prod(shape)):
        raise ValueError(
            f"expected a row of {math.prod(shape)} bytes for each of {len(labels)} labels, got {pixels.dtype} of shape "
            f"{pixels.shape}"
        )
    return torch.from_numpy(pixels.reshape(-1, *shape)), torch.tensor(labels)
