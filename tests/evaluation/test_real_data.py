import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from mixgan_lightning.data import DigitsDataModule
from mixgan_lightning.evaluation import RealSamples
from mixgan_lightning.gan import images_of

N = 10


class Reading(Dataset):
    """0 … 9; remembers which were read."""

    def __init__(self):
        self.read = []

    def __len__(self):
        return N

    def __getitem__(self, i):
        self.read.append(i)
        return torch.tensor([float(i)])


class Stream(IterableDataset):
    def __iter__(self):
        return iter(torch.arange(float(N)).view(N, 1))


def batches_of_3(kind):
    """0 … 9 in batches of 3, the last of 1: indexed, streamed, or a plain list."""
    if kind == "list":
        return list(torch.arange(float(N)).view(N, 1).split(3))
    if kind == "streamed":
        return DataLoader(Stream(), 3)
    return DataLoader(Reading(), 3, shuffle=True, drop_last=True)


KINDS = ["indexed", "streamed", "list"]


def samples_of(loader, limit=None, images=images_of):
    class Data(pl.LightningDataModule):
        def val_dataloader(self):
            return loader

    return RealSamples(Data(), "held_out", images, limit)


def numbered(batches):
    """(image, number) of each sample."""
    return [pair for images, index in batches for pair in zip(images.flatten().tolist(), index.tolist(), strict=True)]


@pytest.mark.parametrize("batch_size", [64, 500, 1_437])
@pytest.mark.parametrize("split", ["train", "held_out"])
def test_every_sample_comes_once_and_in_order(batch_size, split):
    """Training batches are shuffled, and the last that is not whole is dropped: not here."""
    data = DigitsDataModule(batch_size)
    data.setup()
    expected, _ = (data.train if split == "train" else data.validation).tensors
    samples = RealSamples(data, split, images_of)
    images, index = (torch.cat(parts) for parts in zip(*samples.batches(), strict=True))
    assert torch.equal(images, expected)
    assert torch.equal(index, torch.arange(len(expected)))
    assert len(samples) == len(expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("limit", [None, 1, 3, 5, 10, 99])
def test_shares_put_together_are_the_first_so_many_samples_each_once(kind, size, limit, shares):
    samples = samples_of(batches_of_3(kind), limit)
    n = min(N, limit or N)
    together = [pair for share in shares(size) for pair in numbered(samples.batches(share))]
    assert sorted(together) == [(i, i) for i in range(n)]
    assert len(samples) == n


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_holds_every_sizeth_batch_and_may_be_empty(kind, shares):
    samples = samples_of(batches_of_3(kind))
    found = [[index.tolist() for _, index in samples.batches(share)] for share in shares(5)]
    assert found == [[[0, 1, 2]], [[3, 4, 5]], [[6, 7, 8]], [[9]], []]


def test_a_process_reads_only_its_own_batches_where_samples_can_be_indexed(shares):
    loader = batches_of_3("indexed")
    list(samples_of(loader).batches(shares(2)[1]))
    assert loader.dataset.read == [3, 4, 5, 9]


def test_counting_reads_nothing_where_samples_can_be_indexed():
    loader = batches_of_3("indexed")
    assert len(samples_of(loader)) == N
    assert not loader.dataset.read


def test_batches_keep_their_size_and_collation():
    loader = DataLoader(
        TensorDataset(torch.arange(10.0)), 4, drop_last=True, collate_fn=lambda rows: {"n": torch.zeros(len(rows), 2)}
    )
    samples = samples_of(loader, images=lambda batch: batch["n"])
    assert [tuple(images.shape) for images, _ in samples.batches()] == [(4, 2), (4, 2), (2, 2)]


@pytest.mark.parametrize("split", ["train", "held_out"])
@pytest.mark.parametrize("datamodule", [None, pl.LightningDataModule()])
def test_there_may_be_no_such_split(datamodule, split, shares):
    samples = RealSamples(datamodule, split, images_of)
    assert len(samples) == 0
    assert [list(samples.batches(share)) for share in shares(2)] == [[], []]
