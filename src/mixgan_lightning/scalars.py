"""The scalars of a step of the game, for one ``log_dict`` every ``log_every_n_steps`` batches."""

from __future__ import annotations

import torch
from torch import Tensor

from mixgan_lightning import log_names
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.payoff import Pairs, expectation


def losses(discriminator: Tensor, generator: Tensor | None) -> dict[str, Tensor]:
    """What the players minimised, without regulariser and penalties; the generators may not have played."""
    found = {log_names.DISCRIMINATOR_LOSS: discriminator.detach()}
    return found if generator is None else found | {log_names.GENERATOR_LOSS: generator.detach()}


@torch.no_grad()
def payoff(pairs: Pairs, w_u: Tensor, w_v: Tensor) -> dict[str, Tensor]:
    """w_uᵀ F w_v and the mean scores of the last discriminator step; nothing where it had no scores.

    ``w_u``, ``w_v``: the weights that the step was played with.
    """
    matrix = pairs.payoff()
    if matrix is None or pairs.scores is None:
        return {}
    real = torch.cat([scores.flatten(1) for scores in pairs.scores.real], dim=1).mean(-1)  # (Tv,), over the whole batch
    fake = torch.cat([scores.mean(-1) for scores in pairs.scores.fake], dim=1).T
    return {
        log_names.PAYOFF_VALUE: expectation(w_u, matrix, w_v),
        log_names.REAL_SCORE: (real * w_v).sum(),
        log_names.FAKE_SCORE: expectation(w_u, fake, w_v),
    }


@torch.no_grad()
def adversarial_loss(pairs: Pairs, w_u: Tensor, w_v: Tensor) -> Tensor:
    """−w_uᵀ F w_v / 2 of the last discriminator step: the mean of the losses on real and on fake samples."""
    matrix = pairs.payoff()
    assert matrix is not None  # a schedule that watches it is refused where there are no scores
    return -expectation(w_u, matrix, w_v) / 2


@torch.no_grad()
def gradient_norm(player: Mixture) -> Tensor:
    """‖∇‖ over all networks of a player."""
    return torch.nn.utils.get_total_norm([p.grad for p in player.components.parameters() if p.grad is not None])
