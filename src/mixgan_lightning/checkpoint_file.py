"""A checkpoint as a file: written whole or not at all, the one before kept, its SHA-256 beside it."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any, BinaryIO, cast
from zipfile import BadZipFile, ZipFile

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from mixgan_lightning.cache import appearing
from mixgan_lightning.errors import CheckpointError


class CheckpointFiles(TorchCheckpointIO):
    """A plugin of Lightning's Trainer: its checkpoints are written by `save` and read by `load`.

    Example:
        >>> import pytorch_lightning as pl
        >>> from mixgan_lightning.checkpoint_file import CheckpointFiles
        >>> trainer = pl.Trainer(plugins=[CheckpointFiles()], logger=False)
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        save(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        """Tensors and plain values, on the CPU unless said otherwise; code is never run, whatever is asked."""
        return load(Path(path), map_location)

    def remove_checkpoint(self, path: Any) -> None:
        for each in (Path(path), hash_of(Path(path))):
            each.unlink(missing_ok=True)


def hash_of(path: Path) -> Path:
    """The file that holds a checkpoint's SHA-256, as ``sha256sum --check`` reads it."""
    return path.with_name(f"{path.name}.sha256")


def before(path: Path) -> Path:
    """Where the checkpoint that a new one replaces is kept: last.ckpt, last.previous.ckpt."""
    return path.with_suffix(f".previous{path.suffix}")


def save(contents: dict[str, Any], path: Path) -> None:
    """Write a checkpoint beside the old one, then let it take its place; the old one becomes ``before(path)``.

    At no moment is there a file with the hash of another: one without a hash is checked by its own checksums.

    Raises:
        CheckpointError: when it cannot be written (no room, no right); the old one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with appearing(path) as file:
            digest = hashlib.sha256()
            torch.save(contents, cast(BinaryIO, _Hashing(file, digest)))  # of a file it asks for write alone
            file.flush()
            os.fsync(file.fileno())
            if path.exists():
                _move(path, before(path))
            hash_of(path).unlink(missing_ok=True)
        _write_hash(path, digest.hexdigest())
    except (OSError, RuntimeError) as error:
        reason = error if isinstance(error, OSError) else error.__context__  # torch's writer wraps it
        if not isinstance(reason, OSError):
            raise
        raise CheckpointError(
            f"{path} cannot be written: {reason.strerror or reason} ({_free(path.parent)} free there); make room, or "
            "choose another folder (hydra.run.dir=…)" + _what_is_left(path)
        ) from error


def load(path: Path, map_location: Any = None) -> dict[str, Any]:
    """A checkpoint's contents, once it is known to be whole, without running any code that it holds.

    Where its hash lies beside it, the file must be the one that was written; else its own checksums must be right.

    Args:
        path: the file.
        map_location: see ``torch.load``; default: the CPU.

    Raises:
        CheckpointError: no such file, another hash, or it cannot be read.
    """
    if not path.is_file():
        raise CheckpointError(
            f"no checkpoint at {path}{_what_is_left(path) or '; expected a file such as …/last.ckpt'}"
        )
    with path.open("rb") as file:
        is_hashed = _check_hash(file, path)
        try:
            if not is_hashed:
                _check_own_sums(file)
            return torch.load(file, map_location or "cpu", weights_only=True)
        except Exception as error:  # a damaged pickle raises anything
            raise CheckpointError(  # not torch's words, which advise to run what it holds
                f"{path} cannot be read as a checkpoint of tensors and plain values: it is damaged, of another kind, "
                f"or holds code ({type(error).__name__}){_what_is_left(path)}"
            ) from error


def _check_hash(file: Any, path: Path) -> bool:
    """Whether there is a hash to compare with."""
    beside = hash_of(path)
    if not beside.exists():
        return False
    found, written = hashlib.file_digest(file, "sha256").hexdigest(), _written_hash(path)
    if found != written:
        raise CheckpointError(
            f"{path} is damaged or cut off: its SHA-256 is {found[:12]}…, {beside.name} says "
            f"{written[:12] or 'nothing'}… (if you have replaced it yourself, delete {beside.name})"
            + _what_is_left(path)
        )
    file.seek(0)
    return True


def _check_own_sums(file: BinaryIO) -> None:
    """The CRC-32 of everything in it, which torch writes and does not look at."""
    with ZipFile(file) as parts:
        if (damaged := parts.testzip()) is not None:
            raise BadZipFile(damaged)
    file.seek(0)


def _what_is_left(path: Path) -> str:
    return f"; the checkpoint before it is {before(path)}" if path.name and before(path).is_file() else ""


def _free(folder: Path) -> str:
    return f"{shutil.disk_usage(folder).free / 1e6:,.1f} MB"


def _move(path: Path, to: Path) -> None:
    written = _written_hash(path)
    hash_of(to).unlink(missing_ok=True)
    os.replace(path, to)
    if written:
        _write_hash(to, written)


def _write_hash(path: Path, digest: str) -> None:
    with appearing(hash_of(path)) as file:
        file.write(f"{digest}  {path.name}\n".encode())


def _written_hash(path: Path) -> str:
    """What the file beside it says; nothing where there is none, or nothing in it."""
    words = hash_of(path).read_text(errors="replace").split() if hash_of(path).exists() else []
    return words[0] if words else ""


class _Hashing:
    """A file to write, hashed on the way."""

    def __init__(self, file: BinaryIO, digest: Any) -> None:
        self.file, self.digest = file, digest

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()
