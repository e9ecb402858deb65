"""Safe loading: tensors and plain values only, and errors that name what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mixgan_lightning import checkpoint_file
from mixgan_lightning.errors import CheckpointError, ConfigurationError

KEY = "mixgan_lightning"  # our own entry in Lightning's checkpoint
VERSION = 1
ENTRIES = (KEY, "state_dict", "hyper_parameters")


def read(path: str | Path) -> dict[str, Any]:
    """A checkpoint's contents, on the CPU, without running any code that it holds.

    Raises:
        CheckpointError: when there is no such file, it is damaged, or it was not written by this package.
    """
    checkpoint = checkpoint_file.load(Path(path))
    missing = [key for key in ENTRIES if not isinstance(checkpoint, dict) or key not in checkpoint]
    if missing:
        raise CheckpointError(f"{path} is not a checkpoint of mixgan_lightning: it has no entry {missing[0]!r}")
    if checkpoint[KEY]["version"] > VERSION:
        raise CheckpointError(
            f"{path} was written by a later version of mixgan_lightning (format {checkpoint[KEY]['version']}, this one "
            f"reads {VERSION}); upgrade the package"
        )
    return checkpoint


def holds_averages(contents: Mapping[str, Any]) -> bool:
    """Whether a checkpoint's ``state_dict`` is of averaged weights: Lightning then keeps the raw ones beside it."""
    return "current_model_state" in contents


def choose(contents: Mapping[str, Any], weights: str | None = None) -> tuple[dict[str, Any], str]:
    """The state of a checkpoint's model and which weights it is of: "ema" (averaged) or "raw".

    Args:
        contents: what ``read`` gives.
        weights: "raw" where training would go on, "ema" what a callback averaged; default: ema, where there are any.

    Raises:
        ConfigurationError: for anything else.
        CheckpointError: when the checkpoint holds no averaged weights.
    """
    averaged = holds_averages(contents)
    if weights not in ("ema", "raw", None):
        raise ConfigurationError(f"weights: expected ema, raw or null, got {weights!r}")
    if weights == "ema" and not averaged:
        raise CheckpointError("weights=ema: the checkpoint holds raw weights alone; leave weights out")
    if weights == "raw" and averaged:
        return contents["current_model_state"], "raw"
    return contents["state_dict"], "ema" if averaged else "raw"


def check_state(module: nn.Module, state: Mapping[str, Any]) -> None:
    """Whether a state fits a module.

    Raises:
        CheckpointError: naming the first few parameters that are missing, left over, or of another shape.
    """
    own = module.state_dict()
    missing = [key for key in own if key not in state]
    extra = [key for key in state if key not in own]
    shapes = [
        f"{key}: {tuple(state[key].shape)} in the checkpoint, {tuple(own[key].shape)} in the model"
        for key in own
        if isinstance(state.get(key), Tensor) and state[key].shape != own[key].shape
    ]
    if not (missing or extra or shapes):
        return
    findings = [f"missing {_some(missing)}"] * bool(missing) + [f"left over {_some(extra)}"] * bool(extra)
    findings += [_some(shapes)] * bool(shapes)
    raise CheckpointError(
        "the checkpoint holds another architecture than the model: "
        + "; ".join(findings)
        + "; use the same gan=, mixture.size= and data= as in the run that wrote it"
    )


def check_weighting(saved: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Whether a training goes on with the mixture weights learnt, or not, as they were.

    The optimisers' state holds the learning rate of the log-probabilities, so another choice would be half of each.

    Args:
        saved, own: the hyperparameters of the checkpoint and of the model.

    Raises:
        CheckpointError: naming the two.
    """
    for option, said in (("weighting", _kind), ("log_probability_lr", str)):
        if option in saved and said(saved[option]) != said(own[option]):
            raise CheckpointError(
                f"{option}: the checkpoint's training had {said(saved[option])}, this one has {said(own[option])}; "
                f"go on with the same (mixture.{option}=…), or begin a training of its own"
            )


def _kind(config: Any) -> str:
    """Of an object's config, the class."""
    return str(config["_target_"]).rpartition(".")[2] if isinstance(config, Mapping) else str(config)


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
