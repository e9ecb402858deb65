"""The neural-network divergence beside what it must be: closed forms for two Gaussians, and 0 for few real samples.

python benchmarks/neural_net_divergence.py     # one thread, 5 seeds: a minute and a half
"""

from __future__ import annotations

from functools import partial
from math import erf, sqrt
from statistics import mean, stdev

import numpy as np
import torch
from torch import Tensor

from mixgan_lightning.data import digits_split
from mixgan_lightning.networks import MLPDiscriminator
from mixgan_lightning.objectives import Minimax, NeuralNetDistance
from mixgan_lightning.penalties import R1
from mixgan_lightning.theory import NeuralNetDivergence, neural_net_divergence

SEEDS = range(5)


def gaussians(delta: float, n: int, d: int, seed: int) -> tuple[Tensor, Tensor]:
    """n samples of N(0, I) and n of N(δ, I) in d dimensions."""
    stream = torch.Generator().manual_seed(1_000 + seed)
    return torch.randn(n, d, generator=stream), torch.randn(n, d, generator=stream) + delta


def total_variation(delta: float) -> float:
    """Of N(0, 1) and N(δ, 1): 2 Φ(δ/2) − 1."""
    return erf(delta / sqrt(8))


def log_supremum(delta: float) -> float:
    """max_D E log D(x) + E log(1 − D(y)) for N(0, 1) and N(δ, 1), by sums over a fine grid."""
    x = np.linspace(-12, 12 + delta, 200_001)
    p, q = (np.exp(-((x - m) ** 2) / 2) / np.sqrt(2 * np.pi) for m in (0, delta))
    return float((p * np.log(p / (p + q)) + q * np.log(q / (p + q))).sum() * (x[1] - x[0]))


def spread(values: list[float], digits: int = 3) -> str:
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"


def both(found: list[NeuralNetDivergence], undecided: float = 0.0) -> str:
    """Held-out and training value, as cells of a table."""
    return " | ".join(
        spread([undecided + value for value in values]) for values in zip(*[d[:2] for d in found], strict=True)
    )


def closed_forms() -> None:
    print("| f | δ | exact | held out | on its training half |\n| --- | ---: | ---: | ---: | ---: |")
    of_points = partial(MLPDiscriminator, (1,))
    for delta in (0.0, 1.0, 2.0):
        found = [neural_net_divergence(*gaussians(delta, 20_000, 1, seed), of_points, seed=seed) for seed in SEEDS]
        print(f"| x | {delta:.0f} | {total_variation(delta):.4f} | {both(found)} |", flush=True)
    for delta in (0.0, 1.0, 2.0):
        samples = [gaussians(delta, 20_000, 1, seed) for seed in SEEDS]
        found = [neural_net_divergence(*xy, of_points, Minimax(), seed=s) for s, xy in enumerate(samples)]
        cells = both(found, found[0].undecided)
        print(f"| log x | {delta:.0f} | {log_supremum(delta):.3f} | {cells} |", flush=True)


def few_samples() -> None:
    """Real digits against real digits: what is left of zero."""
    (train, _), (held_out, _) = digits_split()
    real = train[[k * len(train) // len(held_out) for k in range(len(held_out))]]
    print("\n| f | R1 | held out | on its training half |\n| --- | ---: | ---: | ---: |")
    for f, penalty in ((NeuralNetDistance(), None), (Minimax(), None), (Minimax(), R1(0.1))):
        critic = partial(MLPDiscriminator, (1, 8, 8))
        found = [neural_net_divergence(held_out, real, critic, f, penalty=penalty, seed=s) for s in SEEDS]
        weight = "–" if penalty is None else f"{penalty.weight:g}"
        print(f"| {f.measuring_function} | {weight} | {both(found)} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    closed_forms()
    few_samples()
