import random
from itertools import count, pairwise

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
)

from mixgan_lightning.data import DigitsDataModule
from mixgan_lightning.errors import DataError
from mixgan_lightning.evaluation import RealSamples, real_batch
from mixgan_lightning.evaluation.real_data import evenly
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
def test_shares_put_together_are_so_many_samples_each_once_evenly_spaced_or_the_first_of_a_stream(
    kind, size, limit, shares
):
    samples = samples_of(batches_of_3(kind), limit)
    n = min(N, limit or N)
    together = [pair for share in shares(size) for pair in numbered(samples.batches(share))]
    assert sorted(together) == [(k * N // n if kind == "indexed" else k, k) for k in range(n)]
    assert len(samples) == n


@pytest.mark.parametrize("n", [1, 2, 7, 10, 100])
@pytest.mark.parametrize("limit", [None, 1, 2, 3, 6, 7, 10, 99])
def test_so_many_items_are_taken_in_their_order_at_steps_that_differ_by_one_at_most(n, limit):
    taken = list(evenly(range(n), limit))
    assert len(taken) == min(n, limit or n)
    steps = {after - before for before, after in pairwise(taken)}
    assert taken[0] == 0
    assert min(steps, default=1) >= 1
    assert max(steps, default=1) - min(steps, default=1) <= 1
    assert n - taken[-1] <= n // len(taken) + 1  # up to the end


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


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_a_loader_that_is_none_is_no_split(split):
    class Data(pl.LightningDataModule):
        def train_dataloader(self):
            return None

        val_dataloader = train_dataloader

    samples = RealSamples(Data(), split, images_of)
    assert len(samples) == 0
    assert not list(samples.batches())


@pytest.mark.parametrize(
    "several", [list, tuple, lambda loaders: dict(enumerate(loaders))], ids=["list", "tuple", "dict"]
)
@pytest.mark.parametrize("n", [1, 2])
def test_several_dataloaders_are_refused(several, n):
    with pytest.raises(DataError, match=r"val_dataloader: expected one DataLoader .*got several; give one"):
        samples_of(several([batches_of_3("indexed") for _ in range(n)]))


# ------------------------------------------------------------------------------------------------ samplers

CHOSEN = [2, 3, 5, 7]
SOME = {  # loaders that never give any other sample than those
    "sampler": lambda data: DataLoader(data, 3, sampler=SubsetRandomSampler([7, 2, 5, 3])),
    "list": lambda data: DataLoader(data, 3, sampler=[5, 5, 3, 7, 2]),
    "batches": lambda data: DataLoader(data, batch_sampler=[[7, 3], [5], [2, 7]]),
}


@pytest.mark.parametrize("loader", SOME.values(), ids=SOME)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_samplers_that_choose_a_part_are_followed_in_the_datasets_order(loader, size, shares):
    samples = samples_of(loader(Reading()))
    found = [pair for share in shares(size) for pair in numbered(samples.batches(share))]
    assert sorted(found) == [(float(i), k) for k, i in enumerate(CHOSEN)]
    assert len(samples) == len(CHOSEN)


@pytest.mark.parametrize("loader", SOME.values(), ids=SOME)
def test_of_the_chosen_samples_so_many_are_taken_evenly_spaced(loader):
    assert numbered(samples_of(loader(Reading()), 2).batches()) == [(2, 0), (5, 1)]


@pytest.mark.parametrize(
    "kind",
    [np.array, torch.tensor, lambda chosen: [*map(np.int64, chosen)]],
    ids=["numpy", "torch", "numpy scalars"],
)
def test_the_chosen_samples_may_be_numbered_by_numpy_or_torch(kind):
    """SubsetRandomSampler(np.random.permutation(n)[:k]) is how many split their data."""
    loader = DataLoader(Reading(), 3, sampler=SubsetRandomSampler(kind(CHOSEN)))
    assert numbered(samples_of(loader).batches()) == [(float(i), k) for k, i in enumerate(CHOSEN)]


def test_a_sampler_inside_torchs_own_batch_sampler_is_followed_too():
    loader = DataLoader(Reading(), batch_sampler=BatchSampler(SubsetRandomSampler(CHOSEN), 3, drop_last=True))
    assert numbered(samples_of(loader).batches()) == [(float(i), k) for k, i in enumerate(CHOSEN)]


@pytest.mark.parametrize(
    "sampler",
    [
        lambda data: RandomSampler(data, num_samples=4),
        lambda data: DistributedSampler(data, num_replicas=2, rank=1),
    ],
    ids=["fewer an epoch", "one of two processes"],
)
def test_samplers_that_would_come_to_every_sample_leave_none_out(sampler):
    data = Reading()
    assert len(samples_of(DataLoader(data, 3, sampler=sampler(data)))) == N


# ------------------------------------------------------------------------------------------------ streams


class Endless(IterableDataset):
    def __iter__(self):
        return (torch.tensor([float(i)]) for i in count())


@pytest.mark.timeout(60)
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("limit", [1, 6, 7])
def test_an_endless_stream_is_read_up_to_the_limit(size, limit, shares):
    samples = samples_of(DataLoader(Endless(), 3), limit)
    found = [pair for share in shares(size) for pair in numbered(samples.batches(share))]
    assert sorted(found) == [(k, k) for k in range(limit)]
    assert len(samples) == limit


# ------------------------------------------------------------------------------------------------ augmentation


class Augmented(Dataset):
    """Noise from all the global streams, as datasets draw their augmentation."""

    def __len__(self):
        return N

    def __getitem__(self, i):
        return torch.tensor([i, torch.rand(()).item(), np.random.rand(), random.random()])  # noqa: NPY002


class AugmentedAtOnce(Augmented):
    """A dataset that hands out a whole batch."""

    def __getitems__(self, indices):
        return [self[i] for i in indices]


@pytest.mark.parametrize("dataset", [Augmented(), AugmentedAtOnce()], ids=["one by one", "at once"])
@pytest.mark.parametrize(("size", "workers"), [(1, 0), (1, 2), (2, 0), (3, 0), (2, 2)])
def test_augmentation_is_the_same_for_any_number_of_processes_and_workers_and_whatever_was_drawn_before(
    dataset, size, workers, shares
):
    def found(loader, shared):
        rows = [row for share in shared for images, _ in samples_of(loader).batches(share) for row in images.tolist()]
        return sorted(rows)

    expected = found(DataLoader(dataset, 3), shares(1))
    assert len({tuple(row[1:]) for row in expected}) == N  # no two batches draw alike
    for seed_it in (torch.manual_seed, np.random.seed, random.seed):
        seed_it(99)
    assert found(DataLoader(dataset, 3, num_workers=workers), shares(size)) == expected


def test_augmentation_leaves_the_streams_of_numpy_and_random_alone():
    before = str(np.random.get_state()), random.getstate()  # noqa: NPY002
    assert len(list(samples_of(DataLoader(Augmented(), 3)).batches())) == 4
    assert (str(np.random.get_state()), random.getstate()) == before  # noqa: NPY002


# ---------------------------------------------------------------------------------------- as one batch


@pytest.mark.parametrize(("kind", "expected"), [("indexed", [0, 2, 5, 7]), ("streamed", [0, 1, 2, 3])])
def test_a_part_of_them_is_one_batch_evenly_spaced_or_of_a_stream_the_first(kind, expected):
    class Data(pl.LightningDataModule):
        def val_dataloader(self):
            return batches_of_3(kind)

    state = torch.get_rng_state()
    assert real_batch(Data(), "held_out", images_of, 4).flatten().tolist() == expected
    assert len(real_batch(Data(), "held_out", images_of, 99)) == N
    assert torch.equal(state, torch.get_rng_state())


def test_a_batch_has_its_labels_and_there_must_be_data():
    class Data(pl.LightningDataModule):
        def train_dataloader(self):
            return DataLoader(TensorDataset(torch.arange(10.0)[:, None], torch.arange(10) % 3), 4, shuffle=True)

    points, labels = real_batch(Data(), "train", images_of, 5)
    assert (points.flatten().tolist(), labels.tolist()) == ([0, 2, 4, 6, 8], [0, 2, 1, 0, 2])
    with pytest.raises(DataError, match="LightningDataModule that has val_dataloader"):
        real_batch(Data(), "held_out", images_of, 5)
