import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mixgan_lightning.errors import DataError
from mixgan_lightning.metrics.feature_rows import FeatureRows


class Rows(FeatureRows):
    """The rows themselves, so that one sees what a subclass compares."""

    def compute(self):
        return self.ordered()


def features_of(n, seed=0):
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))


REFERENCE = features_of(5, seed=1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=8), st.integers(0, 2**31))
def test_rows_come_in_the_order_of_their_index_whatever_the_batches_and_their_order(sizes, seed):
    features = features_of(sum(sizes), seed).double()
    order = torch.randperm(len(features), generator=torch.Generator().manual_seed(seed))
    metric = Rows(REFERENCE)
    for index in order.split(sizes):
        metric.update(features[index], index)
    assert torch.equal(metric.compute(), features)


def test_without_an_index_rows_are_counted_as_they_come():
    features = features_of(23).double()
    metric = Rows(REFERENCE)
    for batch in features.split(5):
        metric.update(batch)
    assert torch.equal(metric.compute(), features)


def test_calling_the_metric_returns_the_batchs_value_and_accumulates_in_order():
    features = features_of(20).double()
    metric = Rows(REFERENCE)
    for batch in features.split(8):
        assert torch.equal(metric(batch), batch)
    assert torch.equal(metric.compute(), features)
    assert torch.equal(torch.cat(metric.index), torch.arange(20))


def test_reset_forgets_the_samples_and_keeps_the_reference():
    metric = Rows(REFERENCE)
    metric.update(features_of(4))
    metric.reset()
    assert torch.equal(metric.reference, REFERENCE)
    metric.update(features_of(2, seed=3))
    assert torch.equal(metric.compute(), features_of(2, seed=3).double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_sides_are_kept_in_their_own_type_without_gradients_and_stay_out_of_checkpoints(dtype):
    """Float64 would take twice the memory, and the processes' messages too."""
    metric = Rows(REFERENCE.to(dtype).requires_grad_())
    metric.update(features_of(4).to(dtype).requires_grad_())
    for kept in (metric.reference, *metric.rows):
        assert kept.dtype == dtype
        assert not kept.requires_grad
    assert not metric.state_dict()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_are_compared_in_float64(dtype):
    metric = Rows(REFERENCE.to(dtype))
    metric.update(features_of(4).to(dtype))
    assert metric.compute().dtype == torch.float64
    assert torch.equal(metric.compute(), features_of(4).double())


@pytest.mark.parametrize("own", [[1, 4, 0], []])
def test_processes_put_their_rows_together_in_order_also_one_whose_share_is_empty(own):
    features = features_of(6).double()
    other = [i for i in range(6) if i not in own]

    def gather(mine, group=None):
        return [mine, features[other] if mine.is_floating_point() else torch.tensor(other)]

    metric = Rows(REFERENCE)
    if own:
        metric.update(features[own], torch.tensor(own))
    metric.sync(dist_sync_fn=gather, distributed_available=lambda: True)
    assert torch.equal(metric.ordered(), features)


@pytest.mark.parametrize("shape", [(4, 2), (4, 4), (3,), (4, 3, 1)])
def test_features_of_another_shape_than_the_references_are_refused(shape):
    with pytest.raises(DataError, match=r"\(N, 3\), got \(" + ", ".join(map(str, shape))):
        Rows(REFERENCE).update(torch.zeros(shape))


@pytest.mark.parametrize("index", [torch.arange(3), torch.arange(5), torch.arange(4.0), torch.arange(4).view(4, 1)])
def test_an_index_that_does_not_fit_is_refused(index):
    """Rows without a number would be dropped in silence."""
    with pytest.raises(DataError, match="index"):
        Rows(REFERENCE).update(features_of(4), index)


@pytest.mark.parametrize("shape", [(0, 3), (3,), (4, 3, 1)])
def test_a_reference_without_rows_is_refused(shape):
    with pytest.raises(DataError, match="reference"):
        Rows(torch.zeros(shape))


@pytest.mark.filterwarnings("ignore:The ``compute`` method:UserWarning")
@pytest.mark.parametrize("updates", [[], [0], [0, 0]])
def test_no_samples_are_refused(updates):
    metric = Rows(REFERENCE)
    for n in updates:
        metric.update(features_of(n))
    with pytest.raises(DataError, match="got none"):
        metric.compute()
