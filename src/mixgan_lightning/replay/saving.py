"""What users' modules add to a checkpoint by hooks of their own: each module's apart."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import torch

from mixgan_lightning.errors import CheckpointError


def added_by(module: Any, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """What a module's ``on_save_checkpoint`` adds to, or changes of, a checkpoint.

    Raises:
        CheckpointError: for what could not be loaded again without running code.
    """
    own = {**checkpoint, "state_dict": module.state_dict()}
    module.on_save_checkpoint(own)
    own.pop("state_dict", None)
    added = {key: value for key, value in own.items() if key not in checkpoint or value is not checkpoint[key]}
    _check_plain(added, type(module).__name__)
    return added


def load_into(module: Any, checkpoint: Mapping[str, Any], added: Mapping[str, Any]) -> None:
    """Hand it back to the module's ``on_load_checkpoint``."""
    module.on_load_checkpoint({**checkpoint, "state_dict": module.state_dict(), **added})


def _check_plain(contents: dict[str, Any], name: str) -> None:
    buffer = io.BytesIO()
    try:
        torch.save(contents, buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{name}.on_save_checkpoint adds {', '.join(contents)}: expected tensors and plain values, which can be "
            f"loaded safely ({type(error).__name__})"
        ) from error
