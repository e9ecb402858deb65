from math import log, sqrt

import pytest
import torch

from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.theory import (
    empirical_jensen_shannon,
    empirical_wasserstein,
    pairwise_distances,
    smoothed_jensen_shannon,
)

# ------------------------------------------------------------------------------------------ distances of pairs


def test_distances_are_those_of_the_flattened_samples_far_from_the_origin_too():
    x, y = torch.randn(30, 2, 3, 3) + 1e4, torch.randn(40, 2, 3, 3) + 1e4
    plain = (x.double()[:, None] - y.double()[None]).flatten(2).norm(dim=2)
    torch.testing.assert_close(pairwise_distances(x, y), plain, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.randn(3, 2), torch.randn(3, 1), r"one shape, .* got \(3, 2\) and \(3, 1\)"),
        (torch.randn(3), torch.randn(3), "one shape"),
        (torch.randn(0, 2), torch.randn(3, 2), r"got \(0, 2\)"),
        (torch.full((3, 2), torch.nan), torch.randn(3, 2), "finite"),
        (torch.randn(3, 2), torch.full((3, 2), torch.inf), "finite"),
    ],
)
@pytest.mark.parametrize(
    "distance",
    [pairwise_distances, empirical_jensen_shannon, lambda x, y: smoothed_jensen_shannon(x, y, 1.0)],
)
def test_samples_that_do_not_compare_are_refused(distance, x, y, message):
    with pytest.raises(DataError, match=message):
        distance(x, y)


# -------------------------------------------------------------------------------------------------- Wasserstein


def test_on_a_line_wasserstein_couples_sorted_samples():
    x, y = torch.randn(200, 1, dtype=torch.float64), 2 * torch.randn(200, 1, dtype=torch.float64)
    sorted_coupling = (x.sort(0).values - y.sort(0).values).abs().mean()
    assert empirical_wasserstein(x, y) == pytest.approx(float(sorted_coupling), abs=1e-9)


def test_a_shift_moves_every_sample_by_its_length():
    x = torch.randn(100, 5, dtype=torch.float64)
    shift = torch.tensor([3.0, 0, 0, 4.0, 0])
    assert empirical_wasserstein(x, (x + shift)[torch.randperm(100)]) == pytest.approx(5.0, abs=1e-6)
    assert empirical_wasserstein(x, x.flip(0)) == pytest.approx(0.0, abs=1e-6)


def test_wasserstein_wants_as_many_of_both():
    with pytest.raises(DataError, match="equally many samples of both, got 3 and 4"):
        empirical_wasserstein(torch.randn(3, 2), torch.randn(4, 2))


# ---------------------------------------------------------------------------------------------- Jensen-Shannon


def test_samples_without_a_common_value_are_log_2_apart():
    assert empirical_jensen_shannon(torch.randn(50, 3), torch.randn(70, 3)) == pytest.approx(log(2), abs=1e-12)


def test_equal_frequencies_are_at_0_whatever_the_order_and_number():
    x = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    assert empirical_jensen_shannon(x, x.flip(0).repeat(4, 1)) == pytest.approx(0.0, abs=1e-12)


def test_jensen_shannon_of_two_frequencies_is_the_sum():
    """p = (¾, ¼), q = (¼, ¾): ¾ log 3/2 + ¼ log 1/2."""
    x, y = torch.tensor([[0.0], [0.0], [0.0], [1.0]]), torch.tensor([[0.0], [1.0], [1.0], [1.0]])
    assert empirical_jensen_shannon(x, y) == pytest.approx(0.75 * log(1.5) + 0.25 * log(0.5), abs=1e-12)


@pytest.mark.parametrize(("delta", "exact"), [(0.0, 0.0), (1.0, 0.1114), (2.0, 0.3365)])
def test_one_smoothed_sample_each_is_two_gaussians(delta, exact):
    """(−1.386, −1.1635, −0.7133 + 2 log 2) / 2: the integrals of f = log, see test_neural_net_divergence.py."""
    x = torch.zeros(1_500, 1)
    assert smoothed_jensen_shannon(x, x + 0.5 * delta, 0.5) == pytest.approx(exact, abs=0.02)


def test_noise_joins_what_it_covers_and_not_more():
    x, y = torch.randn(2, 200, 2)
    found = [smoothed_jensen_shannon(x, y, width) for width in (1e-4, 0.3, 10.0)]
    assert found == sorted(found, reverse=True)
    assert found[0] == pytest.approx(log(2), abs=1e-3)
    assert found[2] == pytest.approx(0.0, abs=5e-3)


def test_noise_has_a_seed_and_leaves_the_global_stream():
    x, y = torch.randn(2, 20, 2)
    before = torch.get_rng_state()
    first, again, other = (smoothed_jensen_shannon(x, y, 1 / sqrt(2), seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert first == again != other


def test_noise_is_not_the_samples_over_again():
    """Samples that were drawn by the same seed: noise equal to them would only spread them."""
    x, y = torch.randn(2, 300, 10, generator=torch.Generator().manual_seed(0))
    same, others = (smoothed_jensen_shannon(x, y, 1.0, seed) for seed in (0, 1))
    assert same == pytest.approx(others, abs=0.04)
    torch.manual_seed(5)
    x, y = torch.randn(300, 10), torch.randn(300, 10)
    assert smoothed_jensen_shannon(x, y, 1.0, seed=5) < 0.2


@pytest.mark.parametrize("width", [0, -1.0, float("nan")])
def test_noise_has_a_positive_width(width):
    with pytest.raises(ConfigurationError, match="width: expected a"):
        smoothed_jensen_shannon(torch.zeros(1, 1), torch.zeros(1, 1), width)
