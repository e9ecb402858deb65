"""What a pair's run must find as it left it, though others ran between: random streams, gradient mode, autocast."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor


def other_streams() -> tuple[Any, Any]:
    """The states of numpy's and Python's global streams. (Reading numpy's takes longer than a small network's step.)"""
    numpy = np.random.get_state()  # noqa: NPY002  # users draw from the global one
    return (numpy[0], numpy[1].tobytes(), *numpy[2:]), random.getstate()  # type: ignore[index]


def set_other_streams(states: tuple[Any, Any]) -> None:
    """Put numpy's and Python's global streams where ``other_streams`` found them."""
    (name, keys, *rest), own = states
    np.random.set_state((name, np.frombuffer(keys, np.uint32), *rest))  # noqa: NPY002
    random.setstate(own)


@dataclass
class Streams:
    """Torch's random streams: the CPU's and one device's."""

    device: torch.device
    cpu: Tensor
    accelerator: Tensor | None

    @classmethod
    def now(cls, device: torch.device) -> Self:
        """Where they stand."""
        own = {"cuda": lambda: torch.cuda.get_rng_state(device), "mps": torch.mps.get_rng_state}.get(device.type)
        return cls(device, torch.get_rng_state(), None if own is None else own())

    def enter(self) -> None:
        """Go on from here."""
        torch.set_rng_state(self.cpu)
        if self.accelerator is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(self.accelerator, self.device)
        elif self.accelerator is not None:
            torch.mps.set_rng_state(self.accelerator)

    def same(self, other: Streams) -> bool:
        """Whether they stand where others do."""
        mine, others = (self.cpu, self.accelerator), (other.cpu, other.accelerator)
        return all(
            a is b or torch.equal(a, b) for a, b in zip(mine, others, strict=True) if a is not None and b is not None
        )


@dataclass(frozen=True)
class Modes:
    """Torch's gradient mode and autocast, which belong to the thread, not to the run."""

    gradients: bool
    autocast: tuple[tuple[str, bool, torch.dtype], ...]

    @classmethod
    def now(cls, device: torch.device) -> Self:
        """As they are."""
        kinds = dict.fromkeys(("cpu", device.type))
        states = ((kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in kinds)
        return cls(torch.is_grad_enabled(), tuple(states))

    def enter(self) -> None:
        """As they were."""
        torch.set_grad_enabled(self.gradients)
        for kind, enabled, dtype in self.autocast:
            torch.set_autocast_enabled(kind, enabled)
            torch.set_autocast_dtype(kind, dtype)
