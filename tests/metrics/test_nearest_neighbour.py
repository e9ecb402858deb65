import pytest
import torch

from mixgan_lightning.errors import DataError
from mixgan_lightning.metrics import NearestNeighbourDistance
from mixgan_lightning.metrics import nearest_neighbour as module


def random(n, seed):
    return torch.randn(n, 1, 3, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("block", [1, 7, 1024])
def test_blocks_and_batches_equal_the_definition(block, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", block)
    reference, samples = random(40, 0), random(23, 1)
    metric = NearestNeighbourDistance(reference)
    for batch in samples.split(5):
        metric.update(batch)
    pairs = (samples[:, None].double() - reference[None]).flatten(2).norm(dim=2)
    assert metric.compute().item() == pytest.approx(pairs.min(1).values.mean().item(), abs=1e-12)


def test_copies_have_distance_zero():
    reference = random(2000, 0)
    metric = NearestNeighbourDistance(reference)
    metric.update(reference[::3])
    assert metric.compute() < 1e-6


def test_the_reference_is_not_saved_with_a_checkpoint():
    assert not NearestNeighbourDistance(random(4, 0)).state_dict()


@pytest.mark.filterwarnings("ignore:The ``compute`` method:UserWarning")
def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match="at least one"):
        NearestNeighbourDistance(random(0, 0))
    with pytest.raises(DataError, match=r"\(1, 3, 3\)"):
        NearestNeighbourDistance(random(4, 0)).update(torch.zeros(4, 9))
    with pytest.raises(DataError, match="got none"):
        NearestNeighbourDistance(random(4, 0)).compute()
