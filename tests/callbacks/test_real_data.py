import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from mixgan_lightning.callbacks.real_data import real_batches
from mixgan_lightning.data import DigitsDataModule


@pytest.mark.parametrize("batch_size", [64, 500, 1_437])
@pytest.mark.parametrize("split", ["train", "held_out"])
def test_every_sample_comes_once_and_in_order(batch_size, split):
    """Training batches are shuffled, and the last that is not whole is dropped: not here."""
    data = DigitsDataModule(batch_size)
    data.setup()
    images, labels = (torch.cat(parts) for parts in zip(*real_batches(data, split), strict=True))
    expected = (data.train if split == "train" else data.validation).tensors
    assert torch.equal(images, expected[0])
    assert torch.equal(labels, expected[1])


def test_batches_keep_their_size_and_collation():
    class Own(pl.LightningDataModule):
        def train_dataloader(self):
            return DataLoader(TensorDataset(torch.arange(10.0)), 4, shuffle=True, drop_last=True, collate_fn=len)

    assert list(real_batches(Own(), "train")) == [4, 4, 2]


def test_a_stream_is_taken_as_it_comes():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(torch.arange(5.0))

    class Own(pl.LightningDataModule):
        def val_dataloader(self):
            return DataLoader(Stream(), 2)

    assert [batch.tolist() for batch in real_batches(Own(), "held_out")] == [[0, 1], [2, 3], [4]]


def test_a_plain_list_of_batches_is_taken_too():
    class Own(pl.LightningDataModule):
        def val_dataloader(self):
            return [torch.zeros(3, 2), torch.ones(1, 2)]

    assert [len(batch) for batch in real_batches(Own(), "held_out")] == [3, 1]


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_there_may_be_no_such_split(split):
    assert list(real_batches(None, split)) == []
    assert list(real_batches(pl.LightningDataModule(), split)) == []
