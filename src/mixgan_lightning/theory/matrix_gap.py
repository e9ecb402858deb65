"""How far a payoff matrix and two mixture weights are from an equilibrium."""

from __future__ import annotations

import torch
from torch import Tensor

from mixgan_lightning.errors import ConfigurationError

ROUNDING = 0.01  # of a sum of weights: that of bfloat16


def matrix_gap(payoff: Tensor, w_u: Tensor, w_v: Tensor) -> Tensor:
    r"""max_j (w_uᵀF)_j − min_i (F w_v)_i: what the players could gain together by their best components alone.

    Half of it is the ε of an ε-approximate equilibrium of the *matrix game* (paper, Definition 3: no player gains more
    than ε by deviating, if it is shared equally). Of the game between all networks it is a lower bound: the best
    response may be a network that is not in the mixture.

    Args:
        payoff: F, (Tu, Tv), which generators minimise and discriminators maximise. From a large fixed sample: over
            minibatches the maximum of noise makes the gap too large.
        w_u: the generators' weights, (Tu,), summing to 1.
        w_v: the discriminators' weights, (Tv,).

    Returns:
        The gap, a scalar ≥ 0 but for rounding, in float64 on the CPU.

    Raises:
        ConfigurationError: for shapes that do not fit, a payoff that is not finite, or weights that are no
            probabilities of sum 1.

    Example:
        >>> import torch
        >>> F = torch.tensor([[0.0, 1, -1], [-1, 0, 1], [1, -1, 0]])  # rock, paper, scissors
        >>> uniform, rock = torch.full((3,), 1 / 3), torch.tensor([1.0, 0, 0])
        >>> round(float(matrix_gap(F, uniform, uniform)), 6), float(matrix_gap(F, rock, rock))
        (0.0, 2.0)
    """
    payoff, w_u, w_v = (torch.as_tensor(given).cpu().double() for given in (payoff, w_u, w_v))
    shape = (len(w_u), len(w_v))
    if tuple(payoff.shape) != shape:
        raise ConfigurationError(f"payoff: expected {shape} for these weights, got {tuple(payoff.shape)}")
    if not payoff.isfinite().all():
        raise ConfigurationError("payoff: expected finite numbers, got NaN or infinity (a training that has diverged?)")
    for name, w in (("w_u", w_u), ("w_v", w_v)):
        if not (w >= 0).all() or not abs(float(w.detach().sum()) - 1) < ROUNDING:
            raise ConfigurationError(f"{name}: expected weights of at least 0 and of sum 1, got {w.tolist()}")
    return (w_u @ payoff).max() - (payoff @ w_v).min()
