"""Functions in a user's module that hold the module itself: of no use to its copies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import FunctionType
from typing import Any

from torch import nn

from mixgan_lightning.errors import GANError

REGISTERED = ("_parameters", "_buffers", "_modules")


def check_closures(module: nn.Module) -> None:
    """A function that holds the module itself would lead every pair back to it, whatever copy it was called on."""
    own = {id(part) for part in module.modules()}
    for path, part in module.named_modules():
        makes_its_own = type(part).__setstate__ is not nn.Module.__setstate__  # torchmetrics', compiled networks
        for name, value in vars(part).items() if not makes_its_own else ():
            for function in _functions(value) if name not in REGISTERED else ():
                if any(id(held) in own for held in _held(function)):
                    where = ".".join([type(module).__name__, *([path] if path else []), name.strip("_")])
                    raise GANError(
                        f"{where} is a function that holds the module itself (a lambda, or one made in __init__), or "
                        "has one: every pair needs its own; make it a method"
                    )


def _functions(value: Any) -> Iterator[FunctionType]:
    """A function, or those in a dictionary, list or tuple."""
    if isinstance(value, FunctionType):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _functions(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _functions(each)


def _held(function: FunctionType) -> Iterator[Any]:
    """What a function holds of where it was made."""
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # an empty cell
            yield cell.cell_contents
