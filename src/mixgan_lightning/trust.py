"""What a checkpoint may have called: it need not be trusted, and what it names is called when it is loaded."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pickle import UnpicklingError
from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from mixgan_lightning.errors import CheckpointError
from mixgan_lightning.gan_factory import OWN_PACKAGE, imported
from mixgan_lightning.objectives import Objective
from mixgan_lightning.penalties import Penalty

PARTS_OF_A_GAN = (nn.Module, Optimizer, LRScheduler, Objective, Penalty)
OWN_FACTORY = "if you trust it, pass your own: load_from_checkpoint(path, make_gan=..., n_critic=...)"
TENSORS_ALONE, ANYTHING = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"  # torch's own switches


def check_trusted(spec: Any, parts: tuple[type, ...] = PARTS_OF_A_GAN) -> None:
    """A checkpoint may only name the classes that a GAN is made of, our own classes, or one plain function.

    Loading a checkpoint calls what it names, so a config such as ``{_target_: os.system}`` must not get through,
    nor one of our functions or mixtures that would call its argument.

    Args:
        spec: what the checkpoint holds.
        parts: what classes of others may be; schedules always.

    Raises:
        CheckpointError: naming the target and the way out.
    """
    if "${" in repr(spec):  # what we save is resolved; ``${oc.create:…}`` makes a config that is called, too
        raise CheckpointError(f"the checkpoint's config holds interpolations, expected none; {OWN_FACTORY}")
    for path in _targets(spec):  # nothing in None
        target = imported(path)
        if isinstance(target, type):
            is_ours = target.__module__.partition(".")[0] == OWN_PACKAGE
            trusted = is_ours or issubclass(target, parts) or hasattr(target, "generator_steps")
            trusted = trusted and not hasattr(target, "make_gan")
        else:
            trusted = spec in (path, {"_target_": path}) and inspect.isfunction(target)  # a factory without arguments
        if not trusted:
            raise CheckpointError(
                f"the checkpoint asks to call {path}, which is no network, optimiser, objective, penalty or schedule; "
                f"{OWN_FACTORY}"
            )


@contextmanager
def tensors_alone() -> Iterator[None]:
    """Whatever ``torch.load`` reads meanwhile is tensors and plain values, also where code is asked for.

    For building what a checkpoint names: a network of any package, which may read a file that the checkpoint names.

    Raises:
        CheckpointError: where such a file holds more.
    """
    before = {name: os.environ.pop(name, None) for name in (TENSORS_ALONE, ANYTHING)}
    os.environ[TENSORS_ALONE] = "1"
    try:
        yield
    except Exception as error:
        if any(isinstance(cause, UnpicklingError) for cause in _causes(error)):  # whose words advise to run it
            raise CheckpointError(
                f"the checkpoint names a network that reads a file of more than tensors; {OWN_FACTORY}"
            ) from error
        raise
    finally:
        del os.environ[TENSORS_ALONE]
        os.environ.update({name: value for name, value in before.items() if value is not None})


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and what it came from."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _targets(spec: Any) -> Iterator[str]:
    if isinstance(spec, str):
        yield spec
    elif isinstance(spec, Mapping):
        for key, value in spec.items():
            if key in ("_target_", "make_gan") and isinstance(value, str):  # a mixture's make_gan is called, too
                yield value
            elif not isinstance(value, str):
                yield from _targets(value)
    elif isinstance(spec, list | tuple):
        for value in spec:
            if not isinstance(value, str):
                yield from _targets(value)
