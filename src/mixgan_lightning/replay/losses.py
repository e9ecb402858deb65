"""Which losses are in which gradients: what the log-probabilities learn from.

While a pair runs, every ``backward()`` (Lightning's ``manual_backward`` ends in one) notes its loss with each optimiser
whose parameters received a gradient. So L_ij of a player is the sum of the losses whose gradient its step uses, however
the user arranges, accumulates, freezes or zeroes them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

Backward = Callable[..., None]


class Loss:
    """The value of one ``backward()``, a scalar; the players whose steps have used its gradient, and whether α has."""

    def __init__(self, value: Tensor) -> None:
        self.value = value
        self.players: set[str] = set()
        self.is_learnt = False


class GradientLosses:
    """The losses in the gradients of some parameters.

    Args:
        parameters: one optimiser's, in one pair.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = parameters
        self.held: list[Loss] = []
        self._mark: tuple[Tensor | None, int] = (None, 0)  # a gradient and its version, after the last backward
        self._marked_any: Tensor | None = None  # whether it was other than zero then; read only where that matters

    def present(self) -> list[Loss]:
        """The losses whose gradients are there now; what was zeroed since the last ``backward()`` is forgotten."""
        if self.held and self._zeroed():
            self.held.clear()
        return self.held

    def before(self) -> list[tuple[Tensor | None, int]]:
        """The gradients before a ``backward()``."""
        self.present()
        return [_version(p.grad) for p in self.parameters]

    def after(self, loss: Loss, before: Sequence[tuple[Tensor | None, int]]) -> None:
        """Note the loss, where it has changed a gradient."""
        last_first = zip(reversed(self.parameters), reversed(before), strict=True)  # nearest to the loss
        for parameter, (gradient, version) in last_first:
            if parameter.grad is not gradient or (gradient is not None and gradient._version != version):
                self.held.append(loss)
                self._mark = _version(parameter.grad)
                self._marked_any = None if parameter.grad is None else parameter.grad.detach().any()
                return

    def _zeroed(self) -> bool:
        gradient, version = self._mark
        if gradient is not None and gradient._version == version and any(p.grad is gradient for p in self.parameters):
            return False
        if self.any_gradient():
            return False  # changed since: clipped
        all_none = all(p.grad is None for p in self.parameters)
        return all_none or self._marked_any is None or bool(self._marked_any)  # set to zero, not zero all along

    def any_gradient(self) -> bool:
        """Whether there is a gradient other than zero."""
        return any(p.grad is not None and bool(p.grad.any()) for p in self.parameters)


def _version(gradient: Tensor | None) -> tuple[Tensor | None, int]:
    return gradient, 0 if gradient is None else gradient._version


def value_of(tensors: Any, grad_tensors: Any) -> Tensor:
    """The scalar whose gradient ``torch.autograd.backward(tensors, grad_tensors)`` computes."""
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    weights = (
        [grad_tensors] * len(tensors) if grad_tensors is None or isinstance(grad_tensors, Tensor) else grad_tensors
    )
    terms = [
        tensor.detach() if weight is None else (tensor.detach() * weight.detach()).sum()
        for tensor, weight in zip(tensors, weights, strict=True)
    ]
    return terms[0].reshape(()).clone() if len(terms) == 1 else torch.stack([term.reshape(()) for term in terms]).sum()


@contextmanager
def heard(listen: Callable[[Backward, tuple[Any, ...], dict[str, Any]], None]) -> Iterator[None]:
    """Inside, every ``backward()`` of this thread goes through ``listen(backward, arguments, options)``."""
    original, thread = torch.autograd.backward, threading.get_ident()

    def backward(*arguments: Any, **options: Any) -> None:
        if threading.get_ident() == thread:
            listen(original, arguments, options)
        else:
            original(*arguments, **options)

    torch.autograd.backward = backward
    try:
        yield
    finally:
        torch.autograd.backward = original
