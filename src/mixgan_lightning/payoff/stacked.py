"""The parameters (or the buffers) of T networks of one architecture, each kind as one tensor (T, …)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn

Place = tuple[dict[str, Any], str]  # a module's dictionary of parameters or buffers, and a name in it


class Stacked:
    """Tensors of T networks as views of stacked ones, so that no step copies any.

    The networks, their optimisers and checkpoints go on using their own tensors; gradients flow to these.

    Args:
        networks: T networks of one architecture.
        table: "_parameters" or "_buffers".

    Raises:
        ValueError: saying why, where they cannot be stacked.
    """

    def __init__(self, networks: Sequence[nn.Module], table: str) -> None:
        self.size = len(networks)
        places = [list(_places(network, table)) for network in networks]
        patterns = [_pattern(own) for own in places]
        if any(pattern != patterns[0] for pattern in patterns):
            raise ValueError("its networks differ in their layers")
        kinds = len(set(patterns[0]))
        self.slots = list(zip(places[0], patterns[0], strict=True))  # of the first network: (place, which tensor)
        first = [patterns[0].index(kind) for kind in range(kinds)]
        self.columns = [[own[at] for own in places] for at in first]  # by tensor, then by network
        tensors = [dictionary[name] for column in self.columns for dictionary, name in column]
        if len({id(tensor) for tensor in tensors}) < len(tensors):
            raise ValueError("its networks share tensors")
        self.tensors: list[Tensor] = []
        self._views: list[tuple[dict[str, Any], str, int]] = []
        self._own: list[list[Tensor]] = []  # by tensor, then by network

    def gather(self) -> None:
        """Stack what is no view (any more): ``.to()`` or a callback may have moved it."""
        if not self._views or any(dictionary[name].data_ptr() != at for dictionary, name, at in self._views):
            with torch.inference_mode(False):  # they stay after a validation
                self.tensors = [torch.stack([d[name].detach() for d, name in column]) for column in self.columns]
            self._point(self.tensors)
            self._views = [(d, name, d[name].data_ptr()) for column in self.columns for d, name in column]
            self._own = [[dictionary[name] for dictionary, name in column] for column in self.columns]

    def part(self) -> None:
        """Give every network memory of its own again."""
        if self._views:
            self._point([stack.clone() for stack in stack.unbind()] for stack in self.tensors)
            self.tensors, self._views, self._own = [], [], []

    def _point(self, stacks: Any) -> None:
        for column, stack in zip(self.columns, stacks, strict=True):
            for (dictionary, name), own in zip(column, stack, strict=True):
                dictionary[name].data = own

    def of(self, first: int, n: int, through_autograd: bool) -> Sequence[Tensor]:
        """The tensors (n, …) of n networks from the first on; gradients flow to the networks' own.

        ``through_autograd``: by autograd, as losses need that ask it for gradients; else they are written at once.
        """
        stacks = self.tensors if n == self.size else [stack[first : first + n] for stack in self.tensors]
        if not torch.is_grad_enabled():
            return stacks
        own = [tensor for column in self._own for tensor in column[first : first + n]]
        learning = next((tensor for tensor in own if tensor.requires_grad), None)
        if learning is None:
            return stacks
        # DDP has hooks of its own
        hooked = any(tensor._backward_hooks or tensor._post_accumulate_grad_hooks for tensor in own)
        if through_autograd or hooked or (distributed.is_available() and distributed.is_initialized()):
            return _Stack.apply(n, stacks, *own)
        return _StackOfLeaves.apply(n, stacks, own, learning)


class _Stack(torch.autograd.Function):
    """torch.stack of tensors that are views of a stack already: nothing is copied."""

    @staticmethod
    def forward(ctx: Any, n: int, stacks: Sequence[Tensor], *own: Tensor) -> tuple[Tensor, ...]:
        ctx.n = n
        ctx.set_materialize_grads(False)
        return tuple(stack.detach() for stack in stacks)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        parts = ((None,) * ctx.n if gradient is None else gradient.unbind() for gradient in gradients)
        return (None, None, *(own for of_all in parts for own in of_all))


class _StackOfLeaves(torch.autograd.Function):
    """The same, which writes ``.grad`` itself: autograd would take as long to visit all T · n leaves as for a layer."""

    @staticmethod
    def forward(
        ctx: Any, n: int, stacks: Sequence[Tensor], own: Sequence[Tensor], anchor: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.n, ctx.own, ctx.stacks = n, own, stacks
        ctx.set_materialize_grads(False)
        return tuple(stack.detach() for stack in stacks)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[None, ...]:
        seen: set[int] = set()
        for k, gradient in enumerate(gradients):
            if gradient is not None:
                laid_out = _laid_out_as(ctx.stacks[k], gradient)
                if laid_out.data_ptr() in seen:  # parameters that are added have one gradient, and each wants its own
                    laid_out = laid_out.clone()
                seen.add(laid_out.data_ptr())
                for own, g in zip(ctx.own[k * ctx.n :], laid_out.unbind(), strict=False):
                    if own.requires_grad:
                        own.grad = g if own.grad is None else own.grad + g
        return None, None, None, None


def _laid_out_as(like: Tensor, gradient: Tensor) -> Tensor:
    """As autograd lays gradients out: fused optimisers go by the memory of parameter and gradient."""
    return gradient if gradient.stride() == like.stride() else torch.empty_like(like).copy_(gradient)


def _places(network: nn.Module, table: str) -> Iterator[Place]:
    for module in network.modules():
        dictionary = getattr(module, table)
        for name, tensor in dictionary.items():
            if tensor is not None:
                yield dictionary, name


def _pattern(places: Sequence[Place]) -> list[int]:
    """For each place, which of the network's distinct tensors stands there: tied ones have the same number."""
    kinds: dict[int, int] = {}
    return [kinds.setdefault(id(dictionary[name]), len(kinds)) for dictionary, name in places]
