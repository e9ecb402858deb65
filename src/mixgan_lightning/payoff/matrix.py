"""The payoff matrix of a game on given batches: what is measured, not trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mixgan_lightning.gan import GAN
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff.fakes import FullFakes
from mixgan_lightning.payoff.pairs import Pairs
from mixgan_lightning.sampling import own_stream


def payoff_matrix(
    gan: GAN, generators: Mixture, discriminators: Mixture, batches: Sequence[Any], seed: int = 0
) -> Tensor:
    """F, (Tu, Tv), over all samples of some batches; every generator draws as many fakes from the same latents.

    The networks play as they are, in the mode that they are in: batch statistics are those of each batch, as in
    training. Buffers and random streams are left as they were.

    Args:
        gan, generators, discriminators: the game.
        batches: of real data, on the networks' device; at least one.
        seed: of the latents.

    Returns:
        F, without a graph.
    """
    pairs = Pairs(gan, generators, discriminators, FullFakes())
    found, sizes = [], []
    with unchanged_buffers(gan, generators, discriminators), own_stream(gan.like.device, seed):
        for batch in batches:
            pairs.observe(batch)  # with gradients at hand: a score may ask for them
            matrix = pairs.payoff()
            assert matrix is not None  # it has just been observed
            found.append(matrix.detach())
            sizes.append(len(gan.images(batch)))
    return torch.stack([matrix * n for matrix, n in zip(found, sizes, strict=True)]).sum(0) / sum(sizes)


@contextmanager
def unchanged_buffers(*networks: nn.Module) -> Iterator[None]:
    """Buffers are afterwards what they were before, those that a forward pass puts others in the place of, too."""
    places = [(m._buffers, name) for network in networks for m in network.modules() for name in m._buffers]
    kept = [(table, name, table[name], _copied(table[name])) for table, name in places]
    try:
        yield
    finally:
        for table, name, buffer, was in kept:
            if buffer is not None and was is not None:
                buffer.data.copy_(was)
            table[name] = buffer


def _copied(buffer: Tensor | None) -> Tensor | None:
    return None if buffer is None else buffer.detach().clone()
