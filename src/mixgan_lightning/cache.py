"""What is computed once and kept on this machine: trained weights, resized images."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4
from zipfile import BadZipFile, ZipFile

import torch
from filelock import FileLock
from torch import nn

log = logging.getLogger(__name__)

PART = ".part_*"  # a file that is being written; of a process that was killed it stays


def cache_folder() -> Path:
    """$MIXGAN_CACHE, or else ~/.cache/mixgan_lightning."""
    return Path(os.environ.get("MIXGAN_CACHE") or Path.home() / ".cache" / "mixgan_lightning")


@contextmanager
def appearing(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes its place when whole; nothing is left of one that fails."""
    part = path.with_name(PART.replace("*", uuid4().hex))
    try:
        with part.open("wb") as file:
            yield file
        os.replace(part, path)  # atomic: other processes see the old file or the new, never half of one
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def trained_once(module: nn.Module, path: Path, train: Callable[[], None]) -> None:
    """Give a module the weights of a file, or train it and keep them there.

    Of several processes one trains while the others wait. A folder that cannot be written costs training again, and a
    warning.
    """
    with _alone(path):
        if not _restored(module, path):
            train()
            _keep(module, path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Other processes wait for this file, where its folder can hold a lock."""
    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError):  # `_keep` says it
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _restored(module: nn.Module, path: Path) -> bool:
    """Whether there was a file that could be read."""
    if not path.exists():
        return False
    try:
        damaged = ZipFile(path).testzip()
        if damaged is not None:  # torch.load checks no sums: flipped bits would come through
            raise BadZipFile(damaged)
        module.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a damaged file raises errors of many kinds, and all have the same remedy
        log.warning("cannot read %s (%s); training %s again", path, type(error).__name__, type(module).__name__)
        return False
    return True


def _keep(module: nn.Module, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with appearing(path) as file:
            torch.save(module.state_dict(), file)
    except (OSError, RuntimeError) as error:  # torch raises the second where the disk is full
        said = str(error).splitlines()[0]
        log.warning("cannot write %s (%s); %s will be trained again next time", path, said, type(module).__name__)
