import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch_fidelity.metric_isc import isc_features_to_metric

from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.metrics import InceptionScore


def logits_of(n, classes=7, seed=0):
    return 4 * torch.randn(n, classes, generator=torch.Generator().manual_seed(seed))


def direct(logits, splits):
    """exp(E KL(p(y|x) ‖ p(y))) as it is written, per split, in float64."""
    scores = []
    for k in range(splits):
        p = logits[k::splits].double().softmax(1)
        scores.append((p * (p.log() - p.mean(0).log())).sum(1).mean().exp().item())
    return np.mean(scores), np.std(scores)


def streamed(logits, splits, sizes, index=None):
    metric = InceptionScore(nn.Identity(), splits)
    for rows in torch.arange(len(logits)).split(sizes):
        metric.update(logits[rows], None if index is None else index[rows])
    return tuple(value.item() for value in metric.compute())


@pytest.mark.parametrize("splits", [1, 2, 7, 10])
def test_streaming_equals_the_definition(splits):
    logits = logits_of(103)
    assert streamed(logits, splits, [50, 1, 2, 50]) == pytest.approx(direct(logits, splits), abs=1e-9)


@pytest.mark.parametrize(("n", "splits"), [(100, 10), (1000, 1), (99, 3)])
def test_parity_with_torch_fidelity(n, splits):
    logits = logits_of(n)
    in_order = torch.cat([logits[k::splits] for k in range(splits)])  # their splits are contiguous
    theirs = isc_features_to_metric(in_order, splits, shuffle=False)
    expected = theirs["inception_score_mean"], theirs["inception_score_std"]
    assert streamed(logits, splits, 17) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("n", "splits"), [(100, 3), (103, 10), (11, 10)])
def test_parity_with_torch_fidelity_where_the_samples_do_not_divide(n, splits):
    """Their splits are n // splits long or one longer, anywhere; the index puts every sample into the same one."""
    logits = logits_of(n)
    starts = torch.tensor([i * n // splits for i in range(splits)])
    split = torch.bucketize(torch.arange(n), starts, right=True) - 1
    theirs = isc_features_to_metric(logits, splits, shuffle=False)
    expected = theirs["inception_score_mean"], theirs["inception_score_std"]
    found = streamed(logits, splits, 17, index=split + splits * torch.arange(n))
    assert found == pytest.approx(expected, abs=1e-9)


def test_the_standard_deviation_is_the_populations():
    sure, even = torch.full((5, 5), -100.0).fill_diagonal_(100.0), torch.zeros(5, 5)
    found = streamed(torch.stack([sure, even], 1).flatten(0, 1), 2, 3)  # splits that score 5 and 1
    assert found == pytest.approx((3, 2))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=10), st.integers(1, 8), st.integers(0, 2**31))
def test_batching_and_order_do_not_change_the_score(sizes, splits, seed):
    n = max(sum(sizes), splits)
    sizes = [*sizes, *[1] * (n - sum(sizes))]
    logits = logits_of(n, seed=seed)
    whole = streamed(logits, splits, n)
    assert streamed(logits, splits, sizes) == pytest.approx(whole, abs=1e-12)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    assert streamed(logits[order], splits, sizes, index=order) == pytest.approx(whole, abs=1e-12)


def test_sure_and_even_predictions_score_the_number_of_classes_and_constant_ones_score_one():
    sure = torch.full((5, 5), -torch.inf).fill_diagonal_(0)  # probabilities exactly 0: 0 log 0 = 0
    assert streamed(sure, 1, 2) == pytest.approx((5, 0))
    assert streamed(torch.zeros(5, 5), 1, 2) == pytest.approx((1, 0))


def test_float64_sums_do_not_lose_samples():
    logits = logits_of(40).repeat(500, 1)
    assert streamed(logits, 1, 1000) == pytest.approx(direct(logits[:40], 1), abs=1e-11)


def test_state_does_not_grow_with_the_samples():
    metric = InceptionScore(nn.Identity(), splits=3)
    sizes = []
    for seed in range(3):
        metric.update(logits_of(50, seed=seed))
        sizes.append(sum(state.numel() for state in metric.metric_state.values()))
    assert sizes == [3 + 3 + 3 * 7] * 3


class Features(nn.Module):
    """Random logits in train mode, deterministic ones in eval mode."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.9), nn.BatchNorm1d(6))
        self.layers[1].eval()

    def forward(self, images):
        return self.layers(images)


def test_features_run_in_eval_mode_without_gradients_and_keep_their_own_modes():
    torch.manual_seed(0)
    features = Features()
    before = copy.deepcopy(features.state_dict())
    rng = torch.get_rng_state()
    images = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    metric = InceptionScore(features, splits=2)
    metric.update(images)
    mean, _ = metric.compute()
    assert not mean.requires_grad
    assert all(torch.equal(before[name], value) for name, value in features.state_dict().items())
    assert [module.training for module in features.layers] == [True, False, True]
    assert torch.equal(torch.get_rng_state(), rng)
    assert mean.item() == pytest.approx(direct(features.eval()(images).detach(), 2)[0], abs=1e-12)


def test_features_stay_the_callers():
    features = Features()
    metric = InceptionScore(features)
    assert metric.features is features
    assert not metric.state_dict()
    assert not list(metric.parameters())


def test_reset_starts_anew_even_with_another_number_of_classes():
    metric = InceptionScore(nn.Identity(), splits=2)
    metric.update(logits_of(9))
    metric.reset()
    logits = logits_of(9, classes=3)
    metric.update(logits)
    assert metric.compute()[0].item() == pytest.approx(direct(logits, 2)[0], abs=1e-12)


def test_calling_the_metric_returns_the_batchs_score_and_accumulates():
    logits = logits_of(40)
    metric = InceptionScore(nn.Identity(), splits=2)
    assert metric(logits[:20])[0].item() == pytest.approx(direct(logits[:20], 2)[0], abs=1e-12)
    metric(logits[20:])
    assert metric.compute()[0].item() == pytest.approx(direct(logits, 2)[0], abs=1e-12)


@pytest.mark.parametrize("splits", [0, -1, 2.0, True, "10"])
def test_splits_must_be_a_positive_integer(splits):
    with pytest.raises(ConfigurationError, match="splits"):
        InceptionScore(nn.Identity(), splits)


@pytest.mark.filterwarnings("ignore:The ``compute`` method:UserWarning")
@pytest.mark.parametrize("n", [0, 4])
def test_fewer_samples_than_splits_are_refused(n):
    metric = InceptionScore(nn.Identity(), splits=5)
    if n:
        metric.update(logits_of(n))
    with pytest.raises(DataError, match=f"got {n} samples"):
        metric.compute()


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (nn.Flatten(0), r"got \(28,\)"),
        (nn.Unflatten(1, (7, 1)), r"got \(4, 7, 1\)"),
        (nn.Threshold(100.0, torch.nan), "for 4 of 4 images"),
    ],
)
def test_features_that_are_no_logits_are_refused(features, message):
    with pytest.raises(DataError, match=message):
        InceptionScore(features).update(logits_of(4))


def test_another_number_of_classes_is_refused():
    metric = InceptionScore(nn.Identity())
    metric.update(logits_of(4))
    with pytest.raises(DataError, match="7 classes as before, got 3"):
        metric.update(logits_of(4, classes=3))


@pytest.mark.parametrize("index", [torch.arange(3), torch.arange(4.0), torch.arange(4).view(4, 1)])
def test_an_index_that_does_not_fit_is_refused(index):
    with pytest.raises(DataError, match="index"):
        InceptionScore(nn.Identity()).update(logits_of(4), index)
