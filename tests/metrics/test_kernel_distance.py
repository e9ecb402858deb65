import random

import numpy as np
import pytest
import torch
from torch_fidelity.defaults import DEFAULTS
from torch_fidelity.metric_kid import kid_features_to_metric

from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.metrics import KernelDistance


def features_of(n, seed=0, width=6):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def distance(samples, reference, sizes=1000, index=None, **options):
    metric = KernelDistance(reference, **options)
    for rows in torch.arange(len(samples)).split(sizes):
        metric.update(samples[rows], None if index is None else index[rows])
    return tuple(value.item() for value in metric.compute())


@pytest.mark.parametrize(("n", "r", "subsets", "size"), [(50, 70, 5, 20), (30, 200, 3, 30), (200, 30, 1, 10)])
def test_parity_with_torch_fidelity(n, r, subsets, size):
    samples, reference = features_of(n) + 0.3, features_of(r, seed=1)
    theirs = kid_features_to_metric(
        samples.double(), reference.double(), kid_subsets=subsets, kid_subset_size=size, verbose=False
    )
    expected = theirs["kernel_inception_distance_mean"], theirs["kernel_inception_distance_std"]
    found = distance(samples, reference, subsets=subsets, subset_size=size)
    assert found == pytest.approx(expected, abs=1e-12)
    assert (found[1] == 0) == (subsets == 1)


def test_the_defaults_are_torch_fidelitys():
    metric = KernelDistance(features_of(5))
    assert (metric.subsets, metric.subset_size) == (DEFAULTS["kid_subsets"], DEFAULTS["kid_subset_size"])


def test_one_subset_of_everything_is_the_unbiased_squared_mmd():
    """(Σ_{i≠j} k(x_i, x_j) + Σ_{i≠j} k(y_i, y_j)) / n(n−1) − 2/n² Σ_ij k(x_i, y_j), k = (xᵀy / d + 1)³."""
    samples, reference = features_of(12) + 0.5, features_of(12, seed=1)
    x, y = samples.double().numpy(), reference.double().numpy()

    def k(a, b):
        return (a @ b / 6 + 1) ** 3

    n, others = 12, [(i, j) for i in range(12) for j in range(12) if i != j]
    within = sum(k(x[i], x[j]) + k(y[i], y[j]) for i, j in others) / (n * (n - 1))
    between = sum(k(a, b) for a in x for b in y) * 2 / n**2
    assert distance(samples, reference, subsets=1, subset_size=12) == pytest.approx((within - between, 0), abs=1e-12)


@pytest.mark.parametrize(("n", "r", "half"), [(20, 35, 10), (35, 21, 10), (3, 9, 2), (2, 2, 2)])
def test_where_there_are_too_few_rows_a_subset_is_half_the_smaller_side(n, r, half):
    samples, reference = features_of(n), features_of(r, seed=1)
    assert distance(samples, reference, subsets=4) == distance(samples, reference, subsets=4, subset_size=half)


def test_batching_and_order_do_not_change_the_value():
    samples, reference = features_of(60), features_of(50, seed=1)
    whole = distance(samples, reference, subsets=4, subset_size=15)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(2))
    assert distance(samples, reference, sizes=7, subsets=4, subset_size=15) == whole
    assert distance(samples[order], reference, sizes=7, index=order, subsets=4, subset_size=15) == whole
    assert distance(samples[order], reference, subsets=4, subset_size=15) != whole  # it is the index that does it


def test_reset_forgets_the_samples_and_keeps_the_reference():
    samples, reference = features_of(40), features_of(50, seed=1)
    metric = KernelDistance(reference, subsets=3, subset_size=10)
    metric.update(samples + 1)
    assert metric.compute().mean > 0.5
    metric.reset()
    metric.update(samples)
    assert tuple(map(float, metric.compute())) == distance(samples, reference, subsets=3, subset_size=10)


def streams():
    return torch.get_rng_state().tolist(), random.getstate(), [*map(str, np.random.get_state())]  # noqa: NPY002


def test_the_global_random_streams_are_neither_used_nor_moved():
    samples, reference = features_of(40), features_of(50, seed=1)
    values = []
    for seed in range(2):
        torch.manual_seed(seed), np.random.seed(seed), random.seed(seed)  # noqa: NPY002
        before = streams()
        values.append(distance(samples, reference, subsets=3, subset_size=10))
        assert streams() == before
    assert values[0] == values[1]


@pytest.mark.parametrize("options", [{"subsets": 0}, {"subsets": -1}, {"subset_size": 1}, {"subset_size": 0}])
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigurationError, match=f"{next(iter(options))}={next(iter(options.values()))}"):
        KernelDistance(features_of(5), **options)


def test_features_of_another_width_are_refused():
    with pytest.raises(DataError, match=r"\(N, 6\), got \(4, 5\)"):
        KernelDistance(features_of(5)).update(features_of(4, width=5))


@pytest.mark.filterwarnings("ignore:The ``compute`` method:UserWarning")
def test_no_samples_are_refused():
    with pytest.raises(DataError, match="got none"):
        KernelDistance(features_of(5)).compute()


@pytest.mark.parametrize(("n", "r"), [(1, 5), (5, 1)])
def test_a_single_row_on_either_side_is_refused(n, r):
    """The unbiased estimator divides by n − 1: it would be NaN."""
    with pytest.raises(DataError, match="got 1"):
        distance(features_of(n), features_of(r, seed=1), subsets=2)
