"""Samples to score, numbered, and shared out over processes in whole batches of a fixed size.

So the images that are scored, and the batches that their features are computed in, are the same for any number of
processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS
from torchvision.transforms.functional import pil_to_tensor

from mixgan_lightning.data.image_files import MODES, read_image
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.evaluation.real_data import evenly
from mixgan_lightning.processes import ALL, Share
from mixgan_lightning.sampling import CHUNK, Sampler


class Samples(Protocol):
    """A numbered set of samples."""

    def __len__(self) -> int:
        """How many, over all processes."""
        ...

    def batches(self, share: Share = ALL) -> Iterator[tuple[Tensor, Tensor]]:
        """(samples (n, *shape), their numbers (n,)) of this share: every share.size-th batch."""
        ...


class DrawnSamples:
    """n samples of a mixture, or of one of its components, from latents that depend on the seed alone.

    Args:
        sampler: draws them.
        n: how many.
        seed: of latents, labels and components.
        component: this generator alone; default: the mixture.
    """

    def __init__(self, sampler: Sampler, n: int, seed: int, component: int | None = None) -> None:
        self.sampler, self.n, self.seed, self.component = sampler, n, seed, component

    def __len__(self) -> int:
        return self.n

    def batches(self, share: Share = ALL) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(share.rank * CHUNK, self.n, share.size * CHUNK):
            draw = self.sampler.chunk(self.seed, start // CHUNK, component=self.component)
            end = min(self.n, start + CHUNK)
            yield _shown(draw.images[: end - start]), torch.arange(start, end)


def _shown(samples: Tensor) -> Tensor:
    """Images are clamped to [−1, 1], as they would be when saved; other samples are as they are."""
    if samples.ndim != 4 or not (samples.abs() > 1).any():  # NaN is neither: it is refused later
        return samples
    rank_zero_warn("the generators give pixels outside [-1, 1], clamped for the scores; end them with tanh")
    return samples.clamp(-1, 1)


class FolderSamples:
    """The images of a folder, in the order of their names, as float in [−1, 1]: any other generator's samples.

    Args:
        folder: holds .png, .jpg and the like, all of one size; sub-folders are looked into as well.
        channels: 1: read as grey, 3: as RGB.
        limit: so many, evenly spaced (folders are often sorted by class); default: all.

    Raises:
        ConfigurationError: another number of channels.
        DataError: no such folder, fewer images in it than limit, none, one that cannot be read, or sizes that differ.
    """

    def __init__(self, folder: str | Path, channels: int, limit: int | None = None) -> None:
        if channels not in MODES:
            raise ConfigurationError(f"images={folder}: the data are no images (grey or RGB), choose others with data=")
        self.channels = channels
        if not Path(folder).is_dir():
            raise DataError(f"images={folder}: expected a folder of images, there is none")
        files = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in IMG_EXTENSIONS)
        if len(files) < (limit or 1):
            looked_for = ", ".join(IMG_EXTENSIONS)
            raise DataError(f"images={folder}: expected at least {limit or 1} images ({looked_for}), got {len(files)}")
        self.files = evenly(files, limit)
        self.size = self._read(self.files[0]).shape[-2:]

    def __len__(self) -> int:
        return len(self.files)

    def batches(self, share: Share = ALL) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(share.rank * CHUNK, len(self), share.size * CHUNK):
            images = [self._read(path) for path in self.files[start : start + CHUNK]]
            for path, image in zip(self.files[start:], images, strict=False):
                if image.shape[-2:] != self.size:
                    raise DataError(
                        f"{path}: expected {self.size[0]} × {self.size[1]} pixels as {self.files[0].name}, got "
                        f"{image.shape[-2]} × {image.shape[-1]}; resize the images to one size"
                    )
            yield torch.stack(images).float() / 127.5 - 1, torch.arange(start, start + len(images))

    def _read(self, path: Path) -> Tensor:
        """(channels, H, W), uint8."""
        return pil_to_tensor(read_image(path, path, self.channels))
