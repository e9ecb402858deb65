import os
import shutil

import pytest
import tiny_data
import torch
from refusals import refusal
from torchvision.datasets import MNIST

from mixgan_lightning.data import MNISTDataModule

FILES = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


@pytest.fixture
def copied(tiny_mnist, tmp_path):
    """A copy of the files, to be changed, and where they lie."""
    shutil.copytree(tiny_mnist.root, tmp_path, dirs_exist_ok=True)
    return tmp_path / "MNIST" / "raw"


def unverified(folder):
    return MNISTDataModule(folder.parents[1], hashes=dict.fromkeys(FILES))


def test_images_and_labels_are_those_of_the_files_in_their_order(tiny_mnist):
    data = MNISTDataModule(**tiny_mnist.options)
    data.setup()
    for found, images, labels in (
        (data.train, tiny_mnist.train, tiny_mnist.labels),
        (data.validation, tiny_mnist.held_out, tiny_mnist.held_out_labels),
    ):
        assert torch.equal(found.tensors[0], images)
        assert torch.equal(found.tensors[1], labels)
        assert (found.tensors[0].dtype, found.tensors[1].dtype) == (torch.uint8, torch.int64)


@pytest.mark.parametrize("size", [14, 28, 32])
def test_a_batch_has_the_asked_size_and_lies_in_minus_one_to_one(size, tiny_mnist):
    data = MNISTDataModule(**tiny_mnist.options, image_size=size, batch_size=60)
    data.setup()
    images, labels = next(iter(data.val_dataloader()))
    assert images.shape == (60, *data.sample_shape) == (60, 1, size, size)
    assert images.dtype == torch.float32
    assert 0.9 < images.abs().max() <= 1
    of_the_files = tiny_mnist.held_out / 127.5 - 1
    torch.testing.assert_close(images.mean((1, 2, 3)), of_the_files.mean((1, 2, 3)), atol=0.02, rtol=0)
    assert torch.equal(labels, tiny_mnist.held_out_labels)


def test_the_official_hashes_are_the_default(tiny_mnist):
    data = MNISTDataModule(tiny_mnist.root)
    assert data.hashes == dict(MNIST.resources)
    assert MNIST.resources[0][1] in refusal(data)


@pytest.mark.parametrize("left", [0, 0.2, 0.5, 0.9])
@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_one_line_that_names_it(name, left, copied):
    os.truncate(copied / name, int(left * (copied / name).stat().st_size))
    assert str(copied / name) in refusal(unverified(copied))


def test_a_file_of_another_kind_is_refused(copied):
    (copied / FILES[0]).write_bytes((copied / FILES[1]).read_bytes())
    assert str(copied / FILES[0]) in refusal(unverified(copied))


def test_more_labels_than_images_are_refused(copied):
    (copied / FILES[1]).write_bytes(tiny_data.idx((torch.arange(301) % 10).numpy()))
    assert "[300, 301]" in refusal(unverified(copied))


def test_extracted_files_are_not_looked_at(copied, tiny_mnist):
    (copied / FILES[0].removesuffix(".gz")).write_bytes(b"anything")
    data = MNISTDataModule(copied.parents[1], hashes=tiny_mnist.hashes)
    data.setup()
    assert torch.equal(data.train.tensors[0], tiny_mnist.train)


def test_images_of_another_size_than_the_data_s_are_resized_to_what_is_declared(copied):
    (copied / FILES[0]).write_bytes(tiny_data.idx(tiny_data.images(300, 1, 20, 20)[:, 0].numpy()))
    data = unverified(copied)
    data.setup()
    assert data.train.tensors[0].shape[1:] == data.sample_shape


def test_it_is_fetched_from_torchvisions_mirrors():
    urls = MNISTDataModule().urls(FILES[0])
    assert urls == [mirror + FILES[0] for mirror in MNIST.mirrors]
