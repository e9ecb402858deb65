"""The buffers of the mixture and of the pairs: all pairs begin a run with the mixture's, and leave it theirs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mixgan_lightning.replay.pair import Pair
from mixgan_lightning.replay.players import PLAYERS
from mixgan_lightning.replay.writes import weighted_mean


def hand_out(pairs: Sequence[Pair]) -> None:
    """Give every pair the mixture's buffers."""
    to, values = [], []
    for pair in pairs:
        for part in pair.modules:
            for name, own in part.own._buffers.items():
                real = part.real._buffers.get(name)
                if own is not None and real is not None:
                    to.append(own)
                    values.append(real)
    _copy(to, values)


def take_back(pairs: Sequence[Pair], w_u: Tensor) -> None:
    """Give the mixture the pairs' buffers: G_i's and nobody's from (i, 0), D_j's as the mean over i by w_u."""
    to, values = [], []
    for pair in pairs:
        for k, part in enumerate(pair.modules):
            of_d = part.player == PLAYERS[1]
            if pair.i if of_d else pair.j:
                continue
            of_all = [other.modules[k].own for other in pairs if other.j == pair.j] if of_d else [part.own]
            for name, real in part.real._buffers.items():
                held = [own._buffers[name] for own in of_all]
                if real is not None and held[0] is not None:
                    to.append(real)
                    values.append(held[0] if len(held) == 1 else weighted_mean(held, w_u))
    _copy(to, values)


@torch.no_grad()
def _copy(to: list[Tensor], values: list[Tensor]) -> None:
    if to:
        torch._foreach_copy_(to, values)
