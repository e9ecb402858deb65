import pytest
import torch

from mixgan_lightning.data import StackedDigitsDataModule, digits_split
from mixgan_lightning.errors import ConfigurationError


def triples(**options):
    data = StackedDigitsDataModule(**options)
    data.setup()
    return data.train.tensors[0], data.validation.tensors[0]


@pytest.fixture(scope="module")
def default():
    return triples()


def numbers(channels, digits):
    """Which digit each channel is; fails on one that is none of them."""
    known = {tuple(digit.flatten().tolist()): number for number, digit in enumerate(digits)}
    return torch.tensor([known[tuple(channel.flatten().tolist())] for channel in channels])


def test_every_channel_is_a_digit_of_its_own_split(default):
    (train_digits, _), (held_out_digits, _) = digits_split()
    for images, digits in zip(default, (train_digits, held_out_digits), strict=True):
        numbers(images[:500].flatten(0, 1), digits)
    with pytest.raises(KeyError):
        numbers(default[0][:500].flatten(0, 1), held_out_digits)


def test_there_are_as_many_as_asked_for_and_26000_held_out(default):
    assert [images.shape for images in default] == [(50_000, 3, 8, 8), (26_000, 3, 8, 8)]
    assert all((images.min(), images.max(), images.dtype) == (-1, 1, torch.float32) for images in default)


def test_both_splits_have_all_1000_modes_about_evenly(default):
    for images, (digits, labels) in zip(default, digits_split(), strict=True):
        found = labels[numbers(images.flatten(0, 1), digits)].view(-1, 3)
        counts = (found @ torch.tensor([100, 10, 1])).bincount(minlength=1000)
        assert counts.min() > 0
        assert counts.max() < 2.5 * counts.double().mean()


def test_triples_are_the_same_at_every_call_and_leave_the_random_stream(default):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    again = triples()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(default, again, strict=True))


def test_held_out_triples_do_not_depend_on_the_number_of_training_triples(default):
    train, held_out = triples(num_samples=100)
    assert len(train) == 100
    assert torch.equal(held_out, default[1])


@pytest.mark.parametrize("size", [8, 16])
def test_batches_are_images_alone_of_the_sample_shape(size):
    data = StackedDigitsDataModule(batch_size=16, image_size=size, num_samples=64)
    data.setup()
    images = next(iter(data.train_dataloader()))
    assert images.shape == (16, *data.sample_shape) == (16, 3, size, size)
    assert images.abs().max() <= 1
    assert data.num_classes is None


@pytest.mark.parametrize("option", [{"image_size": 0}, {"num_samples": 0}, {"num_samples": 1.5}])
def test_sizes_below_one_are_refused(option):
    with pytest.raises(ConfigurationError, match=next(iter(option))):
        StackedDigitsDataModule(**option)
