"""How samples of an unmodified GAN are drawn: as its own step draws them.

In a rehearsal of the step, the first call of a generator's network that gives what looks like the data, and whose
arguments do not depend on them, tells how. A sample is drawn by rehearsing the step again, on a made-up batch of any
length and up to that call. Where the generator is one network, the call's arguments are the latents, whatever their law
and shape, labels included; where several networks work together, each component rehearses from the same random state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from mixgan_lightning.errors import SamplingError
from mixgan_lightning.replay.players import PLAYERS, Casting
from mixgan_lightning.replay.rehearsal import Arguments, Call


@dataclass(frozen=True)
class Script:
    """What all components rehearse alike."""

    seed: int
    n: int
    labels: Tensor


class Rows(NamedTuple):
    """Some samples of a script."""

    script: Script
    rows: Tensor


@dataclass(frozen=True)
class Way:
    """How samples are drawn: by the call of this path ("": of the module itself) that is the turn-th in a step."""

    path: str
    turn: int
    by_arguments: bool  # one network makes the samples of arguments that have rows
    conditional: bool  # whether the samples depend on the labels
    classes: int

    def gives(self, made: Sequence[Call]) -> list[Call]:
        """The calls that give samples: that one and the later ones of its path."""
        return [call for call in made if call.path == self.path][self.turn :]

    def enough(self, n: int) -> Callable[[list[Call]], bool]:
        """Whether the calls so far give n samples: a step may make its fakes in parts."""
        return lambda made: sum(len(call.output) for call in self.gives(made)) >= n


Rehearsed = Callable[[float, int], list[Call]]  # (what stands for data, what label) -> the calls of a step


def find_way(rehearsed: Rehearsed, casting: Casting, sample_shape: list[int], classes: int) -> Way:
    """Look for the call that gives samples, in rehearsals that are alike but for data or labels.

    Raises:
        SamplingError: where there is none.
    """
    blind, other, relabelled = rehearsed(0.0, 0), rehearsed(0.5, 0), rehearsed(0.0, 1)
    alike = _untouched(blind, other, casting)
    found = [k for k in alike if blind[k].output[0].numel() == prod(sample_shape)]
    fed = [k for k in found or alike if _feeds(blind[k], blind, casting.networks[PLAYERS[1]])]
    found = found or fed  # the step may resize the data
    last = [k for k in found if not any(_holds(blind[other].arguments, blind[k].output) for other in found)]
    if not found:
        raise SamplingError(f"cannot draw samples of this GAN: {_why_not(blind, sample_shape)}")
    k = min(fed or last or found, key=lambda k: (not blind[k].path, k))  # a network's call before the module's own
    call = blind[k]
    same = k < len(relabelled) and equal_trees(call.arguments, relabelled[k].arguments)
    networks = (*casting.networks[PLAYERS[0]], *casting.parameters[PLAYERS[0]])
    has_rows = any(isinstance(leaf, Tensor) and _is_rows(leaf, call) for leaf in tree_leaves(call.arguments))
    return Way(
        path=call.path,
        turn=sum(earlier.path == call.path for earlier in blind[:k]),
        by_arguments=networks == (call.path,) and has_rows,
        conditional=classes > 1 and not (same and torch.equal(call.output, relabelled[k].output)),
        classes=classes,
    )


def _untouched(blind: list[Call], other: list[Call], casting: Casting) -> list[int]:
    """The calls of the generator's networks, or of the module, that give the same whatever the data."""
    of_d = casting.networks[PLAYERS[1]]
    return [
        k
        for k, (call, counterpart) in enumerate(zip(blind, other, strict=False))
        if call.path not in of_d
        and len(call.output)
        and (call.path, call.output.shape) == (counterpart.path, counterpart.output.shape)
        and equal_trees(call.arguments, counterpart.arguments)
        and torch.equal(call.output, counterpart.output)
    ]


def _feeds(call: Call, made: list[Call], discriminators: Sequence[str]) -> bool:
    """Whether a discriminator's network is called with what the call gave."""
    return any(_holds(each.arguments, call.output) for each in made if each.path in discriminators)


def _holds(arguments: Arguments, output: Tensor) -> bool:
    """Whether the output, or a view of it, is among the arguments."""
    place = output.untyped_storage().data_ptr()
    leaves = (leaf for leaf in tree_leaves(arguments) if isinstance(leaf, Tensor))
    return any(leaf.untyped_storage().data_ptr() == place for leaf in leaves)


def _why_not(calls: list[Call], sample_shape: list[int]) -> str:
    shapes = sorted({str(tuple(call.output.shape[1:])) for call in calls})
    return (
        "its step must call its generator's network, or the module itself, with arguments that are not made of the "
        f"data, and get samples of the data's shape {tuple(sample_shape)}; its calls gave "
        + (", ".join(shapes) or "nothing")
    )


def _is_rows(leaf: Tensor, call: Call) -> bool:
    return leaf.ndim > 0 and len(leaf) == len(call.output)


def joined(calls: Sequence[Call], n: int) -> Arguments:
    """The arguments of the first n samples, without gradients."""
    leaves = [tree_flatten(call.arguments)[0] for call in calls]
    rows = [
        torch.cat([part.detach() for part in parts])[:n]
        if isinstance(parts[0], Tensor) and _is_rows(parts[0], calls[0])
        else parts[0]
        for parts in zip(*leaves, strict=True)
    ]
    return tree_unflatten(rows, tree_flatten(calls[0].arguments)[1])


def equal_trees(a: Any, b: Any) -> bool:
    """Whether two nestings hold the same tensors and values."""
    (leaves_a, structure_a), (leaves_b, structure_b) = tree_flatten(a), tree_flatten(b)
    return structure_a == structure_b and all(map(_equal, leaves_a, leaves_b))


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and torch.equal(a, b)
    return type(a) is type(b) and a == b
