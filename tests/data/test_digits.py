import pytest
import torch

from mixgan_lightning.data import DigitsDataModule, digits_split
from mixgan_lightning.errors import ConfigurationError


def test_images_lie_in_minus_one_to_one_and_reach_both_ends():
    (images, labels), (held_out, held_out_labels) = digits_split()
    assert images.shape == (1437, 1, 8, 8)
    assert held_out.shape == (360, 1, 8, 8)
    assert (images.min(), images.max(), images.dtype) == (-1, 1, torch.float32)
    assert len(labels) == 1437
    assert held_out_labels.bincount().tolist() == pytest.approx([36] * 10, abs=1)


def test_the_split_is_the_same_at_every_call_and_shares_no_digit():
    (first, _), (held_out, _) = digits_split()
    torch.rand(1)
    (second, _), _ = digits_split()
    assert torch.equal(first, second)
    assert torch.cdist(first.flatten(1), held_out.flatten(1)).min() > 0


@pytest.mark.parametrize("size", [8, 9, 28])
def test_batches_have_the_sample_shape_and_labels(size):
    data = DigitsDataModule(batch_size=16, image_size=size)
    data.setup()
    images, labels = next(iter(data.train_dataloader()))
    assert images.shape == (16, *data.sample_shape) == (16, 1, size, size)
    assert images.abs().max() <= 1
    assert labels.shape == (16,)
    assert data.num_classes == 10


def test_the_datas_own_size_comes_through_unchanged():
    data = DigitsDataModule()
    data.setup()
    assert torch.equal(data.validation.tensors[0], digits_split()[1][0])


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, 1e-3])
def test_shares_that_leave_a_part_empty_are_refused(share):
    with pytest.raises(ConfigurationError, match="validation_share"):
        digits_split(share)


def test_an_image_size_below_one_is_refused():
    with pytest.raises(ConfigurationError, match="image_size"):
        DigitsDataModule(image_size=0)
