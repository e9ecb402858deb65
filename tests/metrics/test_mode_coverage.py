import math

import pytest
import torch

from mixgan_lightning.data import GaussiansGrid
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.metrics import ModeCoverage

CENTERS = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def coverage_of(samples, sd=1.0):
    coverage = ModeCoverage(CENTERS, sd)
    for batch in samples.split(3):
        coverage.update(batch)
    return coverage.compute()


def test_a_sample_is_good_within_three_sd_and_no_further():
    coverage = coverage_of(torch.tensor([[2.99, 0.0], [10.0, 3.01], [12.0, 12.0], [12.2, 12.2]]))
    assert (coverage.modes, coverage.good_share) == (2, 0.5)


def test_reverse_kl_is_zero_when_even_and_log_m_on_one_mode():
    assert coverage_of(CENTERS.repeat(5, 1)).reverse_kl == pytest.approx(0, abs=1e-12)
    assert coverage_of(CENTERS[:1].repeat(5, 1)).reverse_kl == pytest.approx(math.log(4))
    assert coverage_of(CENTERS[:2].repeat(5, 1)).reverse_kl == pytest.approx(math.log(2))


def test_bad_samples_do_not_count_towards_the_distribution():
    bad = torch.full((7, 2), 5.0)
    assert coverage_of(torch.cat([CENTERS, bad])).reverse_kl == pytest.approx(0, abs=1e-12)


def test_without_good_samples_the_distribution_is_the_worst():
    coverage = coverage_of(torch.tensor([[5.0, 5.0], [torch.nan, 0.0], [torch.inf, 0.0]]))
    assert (coverage.modes, coverage.good_share) == (0, 0)
    assert coverage.reverse_kl == pytest.approx(math.log(4))


def test_a_perfect_sampler_covers_all_modes_with_the_share_that_theory_gives():
    data = GaussiansGrid()
    data.setup()
    metric = ModeCoverage(data.centers, data.sd)
    metric.update(data.train.tensors[0])
    coverage = metric.compute()
    assert coverage.modes == 25
    assert coverage.good_share == pytest.approx(1 - math.exp(-4.5), abs=0.002)
    assert coverage.reverse_kl < 1e-3


@pytest.mark.parametrize("samples", [torch.zeros(4), torch.zeros(4, 3), torch.zeros(4, 2, 1)])
def test_samples_of_another_shape_are_refused(samples):
    with pytest.raises(DataError, match=r"\(N, 2\)"):
        ModeCoverage(CENTERS, 1.0).update(samples)


@pytest.mark.filterwarnings("ignore:The ``compute`` method:UserWarning")
def test_no_samples_are_refused():
    with pytest.raises(DataError, match="got none"):
        ModeCoverage(CENTERS, 1.0).compute()


@pytest.mark.parametrize(
    ("centers", "sd"), [(CENTERS, 0.0), (CENTERS, math.nan), (CENTERS[0], 1.0), (CENTERS[:0], 1.0)]
)
def test_impossible_modes_are_refused(centers, sd):
    with pytest.raises(ConfigurationError):
        ModeCoverage(centers, sd)
