"""The matrix game solved exactly: von Neumann's weights and value, by linear programming."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog
from torch import Tensor

from mixgan_lightning.errors import ConfigurationError, TrainingError

EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}  # the least that HiGHS takes


class NashWeights(NamedTuple):
    """An equilibrium of a matrix game, in float64 on the CPU."""

    w_u: Tensor
    """(Tu,), of the generators, who minimise: no discriminator gets more than ``value`` against them."""
    w_v: Tensor
    """(Tv,), of the discriminators, who maximise: no generator pays less than ``value`` against them."""
    value: float
    """V = w_uᵀ F w_v, the same of every equilibrium."""


def nash_weights(payoff: Tensor) -> NashWeights:
    r"""The weights that solve min_{w_u} max_{w_v} w_uᵀ F w_v, and its value (von Neumann 1928; paper, Theorem 5.1).

    .. math::
        \min_{w_u, V} V \quad \text{such that} \quad
        (w_u^T F)_j \le V \;\; \forall j, \quad w_u \ge 0, \quad \sum_i w_{ui} = 1

    a linear programme, whose dual gives w_v. Of the game between these networks that is exact, up to rounding:
    ``matrix_gap(F, w_u, w_v)`` is 0, to 1e-9 of the range of the payoffs. Where several pairs of weights are equilibria
    it is one of them, most often one that leaves components out; all have the same value. Equal payoffs everywhere:
    uniform weights.

    Args:
        payoff: F, (Tu, Tv), of any device and dtype; generators (rows) minimise it, discriminators maximise.

    Raises:
        ConfigurationError: for what is no matrix of at least one row and column, or not finite.
        TrainingError: when the solver fails, which says why.

    Example:
        >>> F = torch.tensor([[0.0, 1, -1], [-1, 0, 1], [1, -1, 0]])  # rock, paper, scissors
        >>> w_u, w_v, value = nash_weights(F)
        >>> [round(w, 4) for w in w_u.tolist()], round(abs(value), 6)
        ([0.3333, 0.3333, 0.3333], 0.0)
    """
    payoff = torch.as_tensor(payoff)
    if payoff.ndim != 2 or not payoff.numel():
        raise ConfigurationError(f"payoff: expected a matrix (Tu, Tv), got shape {tuple(payoff.shape)}")
    if not payoff.isfinite().all():
        raise ConfigurationError("payoff: expected finite numbers, got NaN or infinity (a training that has diverged?)")
    matrix = payoff.detach().cpu().double().numpy()
    w_u, w_v = _solved(_scaled(matrix))
    return NashWeights(torch.from_numpy(w_u), torch.from_numpy(w_v), float(w_u @ matrix @ w_v))


def _scaled(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same game with payoffs from 0 to 1: the solver's tolerances are absolute."""
    low, high = matrix.min(), matrix.max()
    if low == high:
        return np.zeros_like(matrix)
    largest = np.abs(matrix).max()  # first: high − low of the largest floats would overflow
    return (matrix / largest - low / largest) / (high / largest - low / largest)


def _solved(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = matrix.shape
    if not matrix.any():
        return np.full(rows, 1 / rows), np.full(columns, 1 / columns)
    found = linprog(  # of (w_u, V)
        np.append(np.zeros(rows), 1.0),
        A_ub=np.hstack([matrix.T, -np.ones((columns, 1))]),
        b_ub=np.zeros(columns),
        A_eq=np.append(np.ones(rows), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * rows + [(None, None)],
        method="highs-ds",  # a vertex, to rounding; an interior point would stop at the tolerance
        options=EXACT,
    )
    if not found.success:
        raise TrainingError(f"the matrix game was not solved: {found.message}")
    return _weights(found.x[:rows]), _weights(-found.ineqlin.marginals)


def _weights(solution: NDArray[np.float64]) -> NDArray[np.float64]:
    """Not negative, and of sum 1, to the last digit."""
    clipped = np.clip(solution, 0, None)
    return clipped / clipped.sum()
