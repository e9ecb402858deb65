from math import log, sqrt

import pytest
import torch

from mixgan_lightning.reproduce.theorems import DistancesOfSamples
from mixgan_lightning.theory import empirical_wasserstein

SAMPLES, CLOSEST, ZERO = "Wasserstein-1", "closest pair", "Wasserstein-1 to the zero generator"
NOISY = "Jensen-Shannon, noise σ = 1"


def test_samples_are_of_the_theorems_gaussian():
    x, y = DistancesOfSamples(dimension=50).samples(4_000, seed=1)
    for sample in (x, y):
        assert sample.var() == pytest.approx(1 / 50, rel=0.02)
        assert sample.mean() == pytest.approx(0, abs=2e-3)
    assert (x[0] != y[0]).all()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_theorems_order_of_distances_holds_at_every_m(seed):
    """0 < W(μ̂, 0) < closest pair ≤ W(μ̂, ν̂) < √2, and the Jensen-Shannon divergence is log 2, noise or not."""
    for m in (50, 100, 200):
        found = DistancesOfSamples().measure(m, seed)
        assert found["Jensen-Shannon"] == pytest.approx(log(2), abs=1e-12)
        assert found[NOISY] > log(2) - 1 / m
        assert 0.97 < found[ZERO] < 1.03
        assert 1.1 < found[CLOSEST] < found[SAMPLES] < sqrt(2)


def test_more_samples_help_wasserstein_little_in_many_dimensions_and_much_in_one():
    many, one = ([DistancesOfSamples(d).measure(m, 1)[SAMPLES] for m in (50, 400)] for d in (500, 1))
    assert many[1] < many[0] < 1.05 * many[1]
    assert one[1] < 0.7 * one[0]


def test_noise_that_covers_the_samples_does_hide_the_difference():
    """So that log 2 above is a fact about many dimensions, and not of the estimate."""
    assert DistancesOfSamples(dimension=2).measure(200, 1)[NOISY] < 0.05


def test_the_zero_generator_is_the_wasserstein_distance_to_a_sample_of_zeros():
    of = DistancesOfSamples(dimension=20)
    x, _ = of.samples(30, seed=3)
    assert of.measure(30, 3)[ZERO] == pytest.approx(empirical_wasserstein(x, torch.zeros_like(x)), abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_values_at_d_500_and_m_1000(seed):
    found = DistancesOfSamples().measure(1_000, seed)
    assert found[CLOSEST] == pytest.approx(1.20, abs=0.02)
    assert found[SAMPLES] == pytest.approx(1.31, abs=0.01)
    assert found[ZERO] == pytest.approx(1.00, abs=0.01)
