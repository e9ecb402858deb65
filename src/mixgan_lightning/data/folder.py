"""Anyone's pictures: the images of a folder, resized."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

from mixgan_lightning.data.image_cache import cached_images, in_order
from mixgan_lightning.data.image_files import MODES, read_image
from mixgan_lightning.data.tensors import TensorDataModule
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.options import check_count

HELD_OUT = ("test", "val")  # names of the subfolder beside train/


class FolderDataModule(TensorDataModule):
    """The pictures of a folder and its subfolders: images (B, C, S, S) in [−1, 1], and labels (B,) where asked for.

    Each is turned upright, its shorter side resized to S (bilinear, antialiased), and the middle cut out. That is done
    once, and again when a file comes, goes or changes: see `data.image_cache.cached_images`. Files are told by their
    endings, those that Pillow can read; what begins with a dot is not looked at.

    Held out are the pictures of ``test/`` or ``val/`` where there is ``train/`` beside it, else some of all, evenly
    spaced in the order of their names, so that every subfolder gives its share. Labels are the subfolders of ``path``
    (or of ``train/`` and ``test/``) in the order of their names.

    Args:
        path: the folder that holds the pictures.
        batch_size: samples in a batch, per process. 64: what most GANs take.
        image_size: side in pixels. 64: DCGAN's.
        channels: 3: RGB, 1: grey; others are converted.
        num_classes: number of subfolders, each a class; None: no labels, however the pictures are sorted.
        validation_share: share held out where the folder has no parts, in (0, 1).

    Raises:
        ConfigurationError: a number out of its range.
        DataError: at setup: no such folder, too few pictures, one that cannot be read, as many subfolders as there are
            not to be; see `cached_images`.

    Example:
        >>> FolderDataModule("/no/such/folder").setup()
        Traceback (most recent call last):
        mixgan_lightning.errors.DataError: path=/no/such/folder: expected a folder of pictures, there is none
    """

    def __init__(
        self,
        path: str | Path,
        batch_size: int = 64,
        image_size: int = 64,
        channels: int = 3,
        num_classes: int | None = None,
        validation_share: float = 0.1,
    ) -> None:
        super().__init__(batch_size)
        if channels not in MODES:
            raise ConfigurationError(f"expected channels of 1 (grey) or 3 (RGB), got {channels!r}")
        if num_classes is not None and (not isinstance(num_classes, int) or num_classes < 1):
            raise ConfigurationError(f"expected num_classes >= 1, or null for no labels, got {num_classes!r}")
        if not 0 < validation_share < 1:
            raise ConfigurationError(f"expected validation_share in (0, 1), got {validation_share}; 0.1 is a tenth")
        self.path = Path(path).expanduser().absolute()
        self.sample_shape = (channels, check_count("image_size", image_size), image_size)
        self.num_classes = num_classes
        self.validation_share = validation_share

    def load(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Both parts, uint8, mapped into memory, with labels where asked for."""
        if not self.path.is_dir():
            raise DataError(f"path={self.path}: expected a folder of pictures, there is none")
        train, held_out = self._parts()
        paths = [*train, *held_out]
        labels = () if self.num_classes is None else (self._labels(paths),)
        states, shape = [_state(path, self.path) for path in paths], (len(paths), *self.sample_shape)
        images = cached_images(self.path.name, states, shape, lambda: in_order(self._image, paths))
        tensors = (images, *labels)
        n = len(train)
        return tuple(tensor[:n] for tensor in tensors), tuple(tensor[n:] for tensor in tensors)

    def _parts(self) -> tuple[Sequence[Path], Sequence[Path]]:
        """The pictures for training, and those held out."""
        parts = self._own_parts()
        if parts is not None:
            train, held_out = (_pictures(part) for part in parts)
        else:
            paths = _pictures(self.path)
            n = min(len(paths), max(1, round(self.validation_share * len(paths))))
            chosen = {k * len(paths) // n for k in range(n)} if n else set()
            train = [path for k, path in enumerate(paths) if k not in chosen]
            held_out = [paths[k] for k in sorted(chosen)]
        for name, found in (("training", train), ("held-out", held_out)):
            if not found:
                endings = ", ".join(sorted(_endings()))
                raise DataError(f"path={self.path}: expected {name} pictures ({endings}), got none")
        return train, held_out

    def _own_parts(self) -> tuple[Path, Path] | None:
        """``train/`` and what is held out beside it, where the folder is parted so."""
        train = self.path / "train"
        held_out = next((self.path / name for name in HELD_OUT if (self.path / name).is_dir()), None)
        return (train, held_out) if train.is_dir() and held_out is not None else None

    def _labels(self, paths: Sequence[Path]) -> Tensor:
        """The number of each picture's subfolder."""
        roots = self._own_parts() or (self.path,)
        below = [path.relative_to(next(root for root in roots if root in path.parents)) for path in paths]
        loose = next((path for path in below if len(path.parts) == 1), None)
        if loose is not None:
            raise DataError(f"path={self.path}: {loose} is in no subfolder, and num_classes asks for a class of each")
        names = sorted({path.parts[0] for path in below})
        if len(names) != self.num_classes:
            found = ", ".join(names[:10]) + (" …" if len(names) > 10 else "")
            raise DataError(
                f"path={self.path}: expected as many subfolders with pictures as num_classes={self.num_classes}, "
                f"got {len(names)}: {found}"
            )
        number = {name: label for label, name in enumerate(names)}
        return torch.tensor([number[path.parts[0]] for path in below])

    def _image(self, path: Path) -> Tensor:
        channels, *_, side = self.sample_shape
        picture = read_image(path, path, channels)
        return pil_to_tensor(center_crop(resize(picture, side), side))


def _endings() -> set[str]:
    """Of the formats that Pillow can read."""
    known = Image.registered_extensions()
    return {ending for ending, name in known.items() if name in Image.OPEN}


def _pictures(folder: Path) -> list[Path]:
    endings = _endings()
    paths = (path for path in folder.rglob("*") if path.suffix.lower() in endings and path.is_file())
    return sorted(path for path in paths if not any(part[0] == "." for part in path.relative_to(folder).parts))


def _state(path: Path, folder: Path) -> tuple[str, int, int]:
    """What changes when a file does."""
    found = path.stat()
    return path.relative_to(folder).as_posix(), found.st_size, found.st_mtime_ns
