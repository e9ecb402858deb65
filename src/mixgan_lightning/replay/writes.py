"""What pairs write in place where all see it, so that each finds what the first one found.

Weight clipping, averaged weights, a learning rate set in the step: every pair runs the user's code, and every pair must
write over the same values. What stays is the write of the pair (i, 0) for generator i and what belongs to no player,
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
    """The writes to shared parameters in one stretch, from the joint start to the joint pause.

    Args:
        pairs: all of them, in the order in which they will run.
    """

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._before = {id(part.real): part.real.detach().clone() for pair in pairs for part in pair.parameters}
        self._after: dict[int, dict[tuple[int, int], Tensor]] = {}  # by parameter and pair
        self._written: dict[int, Part] = {}

    def ran(self, pair: Pair) -> None:
        """Keep what this pair has written, and put back what it wrote over."""
        relink(pair.parameters)
        for part in pair.parameters:
            before = self._before[id(part.real)]
            if not torch.equal(part.real, before):
                self._written[id(part.real)] = part
                self._after.setdefault(id(part.real), {})[pair.i, pair.j] = part.real.detach().clone()
                part.real.data.copy_(before)

    def settle(self, w_u: Tensor) -> None:
        """Let the writes stand."""
        for key, part in self._written.items():
            after, before = self._after[key], self._before[key]
            if part.player == PLAYERS[1]:
                j = next(iter(after))[1]
                part.real.data.copy_(weighted_mean([after.get((i, j), before) for i in range(len(w_u))], w_u))
            else:
                i = next(iter(after))[0]
                part.real.data.copy_(after.get((i, 0), before))


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
