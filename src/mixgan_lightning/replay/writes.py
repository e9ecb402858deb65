"""What pairs write in place where all see it, so that each finds what the first one found.

Weight clipping, averaged weights, a learning rate set in the step: every pair runs the user's code, and every pair must
write over the same values. What stays is the write of the pairs (i, 0) for generator i and what belongs to no player,
and the mean over i, by w_u, for discriminator j (for clipped weights all are equal).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mixgan_lightning.errors import GANError
from mixgan_lightning.replay.pair import Pair
from mixgan_lightning.replay.players import PLAYERS
from mixgan_lightning.replay.view import Part


class Writes:
    """The writes to shared values in one stretch, from the joint start to the joint pause.

    Args:
        pairs: in the order in which they will run; the first one's writes tell what to look after.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.pairs = pairs
        self.changed: list[int] = []
        self._before: dict[int, Tensor] = {}
        self._after: dict[int, tuple[Part, list[Tensor]]] = {}
        self._snapshot = [part.real.detach().clone() for part in pairs[0].parameters]
        self._sums = self._norms()

    def first_ran(self) -> None:
        """See what the first pair has written."""
        first = self.pairs[0]
        relink(first.parameters)
        self.changed = _unequal(self._snapshot, [part.real for part in first.parameters])
        for k in self.changed:
            self._before[id(first.parameters[k].real)] = self._snapshot[k]
        self._note(first)

    def before(self, pair: Pair) -> None:
        """Put back what others have written."""
        for k in self.changed:
            real = pair.parameters[k].real
            if id(real) in self._before:
                real.data.copy_(self._before[id(real)])
            else:
                self._before[id(real)] = real.detach().clone()

    def ran(self, pair: Pair) -> None:
        """Keep what this one has written."""
        relink([pair.parameters[k] for k in self.changed])
        self._note(pair)

    def settle(self, w_u: Tensor) -> None:
        """Let the writes stand.

        Raises:
            GANError: where another pair wrote what the first one did not.
        """
        for part, values in self._after.values():
            part.real.data.copy_(weighted_mean(values, w_u) if part.player == PLAYERS[1] else values[0])
        if not self.changed and self._norms() != self._sums:
            raise GANError(
                "some pairs of generator and discriminator change parameters in place, others do not: what a pair does "
                "must not depend on its own losses"
            )

    def _note(self, pair: Pair) -> None:
        for k in self.changed:
            part = pair.parameters[k]
            self._after.setdefault(id(part.real), (part, []))[1].append(part.real.detach().clone())

    def _norms(self) -> list[float]:
        """One number for each parameter: cheap to read, and another after almost any write."""
        reals = {id(part.real): part.real.detach() for pair in self.pairs for part in pair.parameters}
        by_type: dict[torch.dtype, list[Tensor]] = {}
        for real in reals.values():
            if real.is_floating_point() and real.numel():
                by_type.setdefault(real.dtype, []).append(real)
        return [
            norm
            for alike in by_type.values()
            for norm in torch.stack(list(torch._foreach_norm(alike))).nan_to_num().tolist()
        ]


def settle_settings(pairs: Sequence[Pair]) -> None:
    """Let the hyper-parameters that the user's code has set (learning rates) stand in the real optimisers.

    Raises:
        GANError: where the pairs set them differently.
    """
    changes = [
        {(k, *place): value for k, o in enumerate(pair.optimizers) for place, value in o.changes().items()}
        for pair in pairs
    ]
    if any(others != changes[0] for others in changes[1:]):
        other = next(others for others in changes if others != changes[0])
        raise GANError(
            f"pairs set their optimisers' hyper-parameters differently, {changes[0]} and {other} (optimiser, group, "
            "name: value); they must not depend on a pair's own losses"
        )
    for (k, group, name), value in changes[0].items():
        pairs[0].optimizers[k].real.param_groups[group][name] = value


def weighted_mean(values: Sequence[Tensor], weights: Tensor) -> Tensor:
    """Σ w_k x_k for weights that sum to 1, exact where all are equal; of whole numbers the first."""
    first = values[0]
    if not first.is_floating_point():
        return first
    shares = weights.to(first).reshape(-1, *[1] * first.ndim)
    return first + ((torch.stack(list(values)) - first) * shares).sum(0)


def relink(parts: Sequence[Part]) -> None:
    """A parameter whose ``.data`` was set to another tensor goes back to the common storage, with what was set."""
    for part in parts:
        if part.own.data_ptr() != part.real.data_ptr():
            part.real.data.copy_(part.own.data)
            part.own.data = part.real.data


def _unequal(before: Sequence[Tensor], after: Sequence[Tensor]) -> list[int]:
    """Where two lists of tensors differ; one wait for the device."""
    if not before:
        return []
    return torch.stack([(a != b).any() for a, b in zip(before, after, strict=True)]).nonzero().flatten().tolist()
