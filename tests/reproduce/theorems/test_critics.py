import pytest
import torch

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.reproduce.theorems.critics import Critics, interleaved


def test_parameters_are_counted():
    assert [Critics(100, width, 1).parameters for width in (8, 32, 128)] == [817, 3_265, 13_057]  # (d + 2) w + 1


@pytest.mark.parametrize(("m", "n"), [(2, 6), (6, 2), (4, 4)])
def test_each_half_is_the_same_empirical_distribution(m, n):
    first, second = torch.randn(m, 3), torch.randn(n, 3)
    samples = interleaved(first, second)
    for half, of in ((samples[::2], first), (samples[1::2], second)):
        values, counts = torch.unique(half, dim=0, return_counts=True)
        assert torch.equal(values, torch.unique(of, dim=0))
        assert set(counts.tolist()) == {max(m, n) // len(of)}


def test_a_critic_is_trained_on_the_first_and_measured_on_the_second():
    """Apart on the first halves, the other way round on the second."""
    left, right = torch.randn(200, 2) - 3, torch.randn(200, 2) + 3
    found = Critics(2, 16, 200).divergence(interleaved(left, right), interleaved(right, left), seed=0)
    assert found.train > 0.9
    assert found.held_out < -0.9


@pytest.mark.parametrize("given", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (1.5, 1, 1)])
def test_sizes_are_counts(given):
    with pytest.raises(ConfigurationError, match="expected a whole number of at least 1"):
        Critics(*given)
