import pytest
import torch
from pytorch_lightning.utilities.combined_loader import CombinedLoader
from torch.utils.data import DataLoader, IterableDataset, Sampler, TensorDataset

from mixgan_lightning.evaluation import TrainingBatches
from mixgan_lightning.processes import Share


class OnlyData:
    """Of a Trainer, what is looked at."""

    def __init__(self, loader):
        self.train_dataloader = loader


def loader(n, batch_size, shuffle=True):
    return DataLoader(TensorDataset(torch.arange(n), -torch.arange(n)), batch_size, shuffle=shuffle, drop_last=True)


def samples(batches):
    return [int(x) for images, labels in batches for x in images]


def test_all_are_read_in_their_order_as_often_as_asked():
    batches = TrainingBatches(OnlyData(loader(10, 4)))
    assert samples(batches) == samples(batches) == list(range(10))


def test_some_are_whole_batches_from_all_over_and_always_the_same():
    batches = TrainingBatches(OnlyData(loader(100, 4)))
    torch.manual_seed(1)
    found = batches.some(10, Share(0, 1))
    assert [len(images) for images, _ in found] == [4, 4, 4]
    assert all(torch.equal(images, -labels) for images, labels in found)
    assert max(samples(found)) - min(samples(found)) > 50
    torch.manual_seed(2)
    again = TrainingBatches(OnlyData(loader(100, 4, shuffle=False))).some(10, Share(0, 1))
    assert samples(again) == samples(found)


def test_processes_share_what_one_would_read():
    alone = TrainingBatches(OnlyData(loader(100, 4))).some(24, Share(0, 1))
    shares = [TrainingBatches(OnlyData(loader(100, 4))).some(24, Share(rank, 2)) for rank in (0, 1)]
    assert samples(shares[0])[:4] + samples(shares[1])[:4] == samples(alone)[:8]
    assert not set(samples(shares[0])) & set(samples(shares[1]))
    assert len(samples(alone)) == len(samples(shares[0] + shares[1])) == 24


@pytest.mark.parametrize("size", [1, 2])
def test_there_is_a_batch_for_every_process_however_few_samples_there_are(size):
    for rank in range(size):
        assert samples(TrainingBatches(OnlyData(loader(3, 4))).some(10, Share(rank, size)))


class Pairs(Sampler):
    """Asks for samples by more than a number."""

    def __len__(self):
        return 8

    def __iter__(self):
        return iter([(i, "left") for i in range(8)])


@pytest.mark.parametrize(
    "data",
    [
        [loader(10, 4), loader(10, 2)],
        CombinedLoader({"a": loader(10, 4), "b": loader(10, 2)}),
        DataLoader(TensorDataset(torch.arange(8)), 4, sampler=Pairs()),
    ],
)
def test_nor_can_what_is_no_single_dataloader_of_numbered_samples(data):
    assert TrainingBatches(OnlyData(data)).some(10, Share(0, 1)) is None


def test_a_stream_cannot_be_read_beside_the_training():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(torch.randn(40, 2))

    assert TrainingBatches(OnlyData(DataLoader(Stream(), 8))).some(10, Share(0, 1)) is None
