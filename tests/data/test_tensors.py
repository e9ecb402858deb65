import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler

from mixgan_lightning.data import BatchedTensors, TensorDataModule
from mixgan_lightning.data.tensors import as_is
from mixgan_lightning.errors import ConfigurationError, DataError


class Given(TensorDataModule):
    sample_shape = (2,)
    num_classes = 3

    def __init__(self, train, validation=None, batch_size=4):
        super().__init__(batch_size)
        self.parts = train, train if validation is None else validation
        self.loads = 0

    def load(self):
        self.loads += 1
        return self.parts


def numbered(n):
    return torch.arange(2.0 * n).view(n, 2)


def test_a_batch_equals_its_samples_stacked():
    images, labels = numbered(6), torch.arange(6)
    dataset = BatchedTensors(images, labels)
    batch_images, batch_labels = dataset.__getitems__([4, 1])
    assert torch.equal(batch_images, torch.stack([dataset[4][0], dataset[1][0]]))
    assert batch_labels.tolist() == [4, 1]


def test_one_tensor_gives_tensors_and_two_give_tuples():
    alone = next(iter(DataLoader(BatchedTensors(numbered(6)), 3, collate_fn=as_is)))
    assert torch.equal(alone, numbered(6)[:3])
    pair = next(iter(DataLoader(BatchedTensors(numbered(6), torch.arange(6)), 3, collate_fn=as_is)))
    assert isinstance(pair, tuple)


def levels(n):
    return torch.arange(n, dtype=torch.uint8).view(n, 1).expand(n, 2)


def test_levels_stay_bytes_in_memory_and_batches_of_them_are_floats_from_minus_one_to_one():
    dataset = BatchedTensors(levels(256), torch.arange(256))
    images, labels = dataset.__getitems__([0, 51, 255])
    assert dataset.tensors[0].dtype == torch.uint8
    assert images.dtype == torch.float32
    torch.testing.assert_close(images[:, 0], torch.tensor([-1.0, -0.6, 1.0]))
    assert labels.tolist() == [0, 51, 255]
    assert torch.equal(dataset[51][0], images[1])


def test_labels_of_bytes_stay_labels():
    _, labels = BatchedTensors(numbered(3), torch.tensor([0, 2, 1], dtype=torch.uint8))[1]
    assert labels.dtype == torch.uint8
    assert labels == 2


def test_levels_are_checked_without_becoming_floats(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "isfinite", lambda self: pytest.fail("the whole dataset was looked through"))
    data = Given((levels(8), LABELS))
    data.setup()
    assert data.train.tensors[0].dtype == torch.uint8
    assert next(iter(data.val_dataloader()))[0].dtype == torch.float32


def test_tensors_of_different_lengths_are_refused():
    with pytest.raises(DataError, match=r"\[6, 5\]"):
        BatchedTensors(numbered(6), torch.arange(5))


def test_training_batches_are_whole_and_shuffled_and_validation_sees_every_sample_once_in_order():
    torch.manual_seed(0)
    data = Given((numbered(30),))
    data.setup()
    epochs = [torch.cat(list(data.train_dataloader())) for _ in range(2)]
    assert {len(batch) for batch in data.train_dataloader()} == {4}
    assert len(epochs[0].unique(dim=0)) == 28
    assert not torch.equal(*epochs)
    assert torch.equal(torch.cat(list(data.val_dataloader())), numbered(30))


def test_a_distributed_sampler_can_take_the_place_of_ours():
    data = Given((numbered(32),))
    data.setup()
    loader = data.train_dataloader()
    shards = [
        torch.cat(list(DataLoader(loader.dataset, 4, sampler=sampler, collate_fn=loader.collate_fn)))
        for sampler in (DistributedSampler(loader.dataset, 2, rank) for rank in range(2))
    ]
    assert torch.equal(torch.cat(shards)[:, 0].sort().values, numbered(32)[:, 0])


def test_setup_loads_once_for_all_stages():
    data = Given((numbered(8),))
    for stage in ("fit", "validate", "test"):
        data.setup(stage)
    assert data.loads == 1


LABELS = torch.arange(8) % 3


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ((numbered(0),), "got none"),
        ((numbered(3),), "got 3"),
        ((numbered(8).view(8, 2, 1),), r"\(2,\), got \(2, 1\)"),
        ((numbered(8).index_fill(0, torch.tensor([2, 5]), torch.nan),), "2 of 8 samples, the first at index 2"),
        ((numbered(8).index_fill(0, torch.tensor([7]), torch.inf),), "1 of 8 samples, the first at index 7"),
        ((numbered(8), LABELS + 1), r"\[1, 3\]"),
        ((numbered(8), LABELS - 1), r"\[-1, 1\]"),
        ((numbered(8), LABELS.float()), "float32"),
        ((numbered(8), LABELS[:7]), r"\[8, 7\]"),
    ],
)
def test_data_that_do_not_fit_are_refused(train, message):
    with pytest.raises(DataError, match=message):
        Given(train).setup()


def test_validation_data_are_checked_too():
    with pytest.raises(DataError, match="validation data, got NaN"):
        Given((numbered(8),), (numbered(8) / 0,)).setup()


def test_a_dataloader_before_setup_and_an_empty_batch_size_are_refused():
    with pytest.raises(DataError, match="setup"):
        Given((numbered(8),)).train_dataloader()
    with pytest.raises(ConfigurationError, match="got 0"):
        Given((numbered(8),), batch_size=0)
