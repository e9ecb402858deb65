import random

import numpy as np
import pytest
import torch
from torch_fidelity.metric_prc import prc_features_to_metric

from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.metrics import PrecisionRecall
from mixgan_lightning.metrics import precision_recall as module


def features_of(n, seed=0, width=4):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed))


def quality(samples, reference, sizes=1000, index=None, **options):
    metric = PrecisionRecall(reference, **options)
    for rows in torch.arange(len(samples)).split(sizes):
        metric.update(samples[rows], None if index is None else index[rows])
    return tuple(value.item() for value in metric.compute())


def covered(points, manifold, k):
    """Share of points that lie in one of the balls around the manifold's points, as it is written."""
    points, manifold = points.double().numpy(), manifold.double().numpy()
    radii = [np.sort(np.linalg.norm(manifold - centre, axis=1))[k] for centre in manifold]  # [0] is itself
    return np.mean([(np.linalg.norm(manifold - point, axis=1) <= radii).any() for point in points])


@pytest.mark.parametrize(("n", "r", "neighbours"), [(40, 60, 3), (60, 40, 1), (7, 5, 4)])
def test_parity_with_torch_fidelity_and_with_the_definition(n, r, neighbours):
    samples, reference = 0.7 * features_of(n) + 0.5, features_of(r, seed=1)
    theirs = prc_features_to_metric(samples.double(), reference.double(), prc_neighborhood=neighbours, verbose=False)
    found = quality(samples, reference, neighbours=neighbours)
    assert found == (theirs["precision"], theirs["recall"])
    written = covered(samples, reference, neighbours), covered(reference, samples, neighbours)
    assert found == pytest.approx(written, abs=1e-6)


def test_the_papers_neighbourhood_is_the_default():
    samples, reference = features_of(50), features_of(50, seed=1)
    assert quality(samples, reference) == quality(samples, reference, neighbours=3)
    assert quality(samples, reference) != quality(samples, reference, neighbours=1)


def test_copies_are_precise_and_cover_everything_and_what_lies_far_away_nothing():
    reference = features_of(30)
    assert quality(reference, reference) == (1, 1)
    assert quality(reference + 100, reference) == (0, 0)


def test_one_mode_of_two_is_precise_and_covers_half():
    left, right = features_of(30), features_of(30, seed=1) + 100
    precision, recall = quality(left, torch.cat([left, right]))
    assert (precision, recall) == (1, 0.5)


@pytest.mark.parametrize("block", [1, 7])
def test_blocks_do_not_change_the_values(block, monkeypatch):
    samples, reference = features_of(33) + 0.5, features_of(41, seed=1)
    whole = quality(samples, reference)
    monkeypatch.setattr(module, "BLOCK", block)
    assert quality(samples, reference) == whole


def test_batching_and_order_do_not_change_the_values():
    samples, reference = features_of(60) + 0.5, features_of(50, seed=1)
    whole = quality(samples, reference)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(2))
    assert quality(samples, reference, sizes=7) == whole
    assert quality(samples[order], reference, sizes=7, index=order) == whole


def test_reset_forgets_the_samples_and_keeps_the_reference():
    reference = features_of(30)
    metric = PrecisionRecall(reference)
    metric.update(reference + 100)
    assert tuple(metric.compute()) == (0, 0)
    metric.reset()
    metric.update(reference)
    assert tuple(metric.compute()) == (1, 1)


def streams():
    return torch.get_rng_state().tolist(), random.getstate(), [*map(str, np.random.get_state())]  # noqa: NPY002


def test_the_global_random_streams_are_left_alone():
    before = streams()
    quality(features_of(20), features_of(30, seed=1))
    assert streams() == before


@pytest.mark.parametrize("neighbours", [0, -1, 5, 6])
def test_neighbours_are_at_least_one_and_fewer_than_the_reference(neighbours):
    with pytest.raises(ConfigurationError, match=f"1 … 4, .*got {neighbours}"):
        PrecisionRecall(features_of(5), neighbours)


def test_features_of_another_width_are_refused():
    with pytest.raises(DataError, match=r"\(N, 4\), got \(4, 5\)"):
        PrecisionRecall(features_of(5)).update(features_of(4, width=5))


@pytest.mark.filterwarnings("ignore:The ``compute`` method:UserWarning")
def test_no_samples_are_refused():
    with pytest.raises(DataError, match="got none"):
        PrecisionRecall(features_of(5)).compute()


def test_not_more_samples_than_neighbours_are_refused():
    with pytest.raises(DataError, match="more than 3 samples, got 3"):
        quality(features_of(3), features_of(10, seed=1))
    quality(features_of(4), features_of(10, seed=1))
