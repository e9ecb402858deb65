"""Many images, resized once and kept on this machine as one file, which is mapped into memory and not read whole."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
from filelock import FileLock
from torch import Tensor
from tqdm import tqdm

from mixgan_lightning.cache import appearing, cache_folder
from mixgan_lightning.errors import DataError

T = TypeVar("T")

RECIPE = 1  # raise it when the images come out otherwise: the names of the cached files follow
AT_ONCE = 256  # pictures that wait to be written, at most: some megabytes


def cached_images(
    title: str, depends_on: object, shape: tuple[int, ...], images: Callable[[], Iterator[Tensor]]
) -> Tensor:
    """Images (N, C, H, W), uint8, of a file in the cache; made at first use, by one process while the others wait.

    The file is written under another name and put in its place when whole. It may be deleted at any time.

    Args:
        title: of the data; a part of the file's name.
        depends_on: all that the images depend on, of printable values; another value is another file.
        shape: (N, C, H, W).
        images: gives them, one by one, each (C, H, W), uint8; asked only where there is no file.

    Raises:
        DataError: when the cache cannot be written.
    """
    key = hashlib.sha256(repr((RECIPE, shape, depends_on)).encode()).hexdigest()[:16]
    path = cache_folder() / "images" / f"{title}_{key}.bin"
    size = math.prod(shape)
    try:
        if not _is_whole(path, size):
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):
                if not _is_whole(path, size):
                    _write(path, images(), title, shape)
    except OSError as error:
        raise DataError(
            f"{path}: resized images cannot be kept there ({error}); they take {size / 1e9:.2g} GB: make room, or set "
            "$MIXGAN_CACHE to another folder"
        ) from error
    return torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8).view(shape)


def _is_whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _write(path: Path, images: Iterable[Tensor], title: str, shape: tuple[int, ...]) -> None:
    bar = tqdm(images, desc=f"{title}: resizing", total=shape[0], unit=" images", leave=False, disable=None)
    with appearing(path) as file:
        for image in bar:
            file.write(image.numpy().tobytes())


def in_order(read: Callable[[T], Tensor], items: Sequence[T]) -> Iterator[Tensor]:
    """``read`` of every item, in their order, several at a time: decoding leaves Python's lock."""
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(items), AT_ONCE):
            yield from pool.map(read, items[start : start + AT_ONCE])
