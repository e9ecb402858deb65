"""MNIST (LeCun et al. 1998)."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.datasets import MNIST
from torchvision.datasets.mnist import read_image_file, read_label_file

from mixgan_lightning.data.files import FilesDataModule
from mixgan_lightning.options import check_count

SIDE = 28  # pixels


class MNISTDataModule(FilesDataModule):
    """Digits (B, 1, S, S) in [−1, 1] with labels (B,) in 0 … 9: 60,000 for training, the 10,000 of the test held out.

    Read from the four ``.gz`` files in ``root/MNIST/raw`` (torchvision's layout), which can be verified; files that lie
    there extracted are not looked at.

    Args:
        image_size: side in pixels; 28 is the data's own, others are resized bilinearly (DCGANs want 32).
        root, batch_size, download, hashes: see `FilesDataModule`.

    Raises:
        ConfigurationError: image_size < 1; and see `FilesDataModule`.
        DataError: see `FilesDataModule`.

    Example:
        >>> MNISTDataModule(image_size=32).sample_shape
        (1, 32, 32)
    """

    title = "MNIST"
    official: ClassVar = dict(MNIST.resources)
    num_classes = 10

    def __init__(
        self,
        root: str | Path = "data",
        batch_size: int = 64,
        image_size: int = SIDE,
        download: bool = False,
        hashes: Mapping[str, str | None] | None = None,
    ) -> None:
        super().__init__(root, batch_size, download, hashes)
        self.sample_shape = (1, check_count("image_size", image_size), image_size)

    def path(self, name: str) -> Path:
        return self.root / MNIST.__name__ / "raw" / name

    def urls(self, name: str) -> list[str]:
        return [f"{mirror}{name}" for mirror in MNIST.mirrors]

    def load(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Training and test images, uint8, with their labels."""
        self.prepare_data()
        return self._part("train"), self._part("t10k")

    def _part(self, part: str) -> tuple[Tensor, Tensor]:
        images = self._parsed(f"{part}-images-idx3-ubyte.gz", read_image_file).unsqueeze(1)
        return _resized(images, self.sample_shape[1]), self._parsed(f"{part}-labels-idx1-ubyte.gz", read_label_file)

    def _parsed(self, name: str, parse: Callable[[str], Tensor]) -> Tensor:
        with self.opened(name) as file, gzip.open(file) as contents, NamedTemporaryFile() as whole:
            shutil.copyfileobj(contents, whole)  # torchvision's readers want a path
            whole.flush()
            return parse(whole.name)


def _resized(images: Tensor, side: int) -> Tensor:
    """uint8 images (N, 1, H, W) with another side, some at a time: as float32 all would take gigabytes."""
    if images.shape[2:] == (side, side):
        return images
    parts = (
        interpolate(part.float(), (side, side), mode="bilinear", align_corners=False, antialias=True)
        for part in images.split(1_024)
    )
    return torch.cat([part.round().clamp(0, 255).to(torch.uint8) for part in parts])
