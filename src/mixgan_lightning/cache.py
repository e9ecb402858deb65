"""What is computed once and kept on this machine: trained weights, resized images."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import torch
from torch import nn

log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """$MIXGAN_CACHE, or else ~/.cache/mixgan_lightning."""
    return Path(os.environ.get("MIXGAN_CACHE") or Path.home() / ".cache" / "mixgan_lightning")


def restore_weights(module: nn.Module, path: Path) -> bool:
    """Give a module the weights of a file; False where there is none, or one that cannot be read."""
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


def keep_weights(module: nn.Module, path: Path) -> None:
    """Write a module's weights; a folder that cannot be written costs training it again, and a warning."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            torch.save(module.state_dict(), file)
        os.replace(file.name, path)  # atomic: other processes see the old file or the new, never half of one
    except OSError as error:
        log.warning("cannot write %s (%s); %s will be trained again next time", path, error, type(module).__name__)
