"""What MNIST, CIFAR-10 and CelebA say alike of files that are missing, altered or asked for in no size."""

import shutil

import pytest
import tiny_data
from refusals import refusal

from mixgan_lightning.data import CelebADataModule, CIFAR10DataModule, MNISTDataModule
from mixgan_lightning.errors import ConfigurationError

MNIST = [f"MNIST/raw/{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
CELEBA = ["celeba/img_align_celeba.zip", "celeba/list_eval_partition.txt"]
FILES = [
    *(("tiny_mnist", MNISTDataModule, file) for file in MNIST),
    ("tiny_cifar10", CIFAR10DataModule, "cifar-10-python.tar.gz"),
    *(("tiny_celeba", CelebADataModule, file) for file in CELEBA),
]


@pytest.fixture(params=FILES, ids=lambda of: of[2].rsplit("/", 1)[-1])
def one_file(request, tmp_path):
    """One of the files in a copy of the dataset, the datamodule that reads it, and its hash."""
    fixture, kind, file = request.param
    tiny = request.getfixturevalue(fixture)
    shutil.copytree(tiny.root, tmp_path / "data")
    path = tmp_path / "data" / file
    return path, kind(tmp_path / "data", hashes=tiny.hashes), tiny.hashes[path.name]


def test_a_missing_file_is_said_with_where_it_should_lie_and_how_to_get_it(one_file):
    path, data, _ = one_file
    others = [other for other in path.parent.iterdir() if other != path]
    path.unlink()
    message = refusal(data)
    assert str(path) in message
    assert "data.download=true" in message
    assert not any(str(other) in message for other in others)


def test_a_file_that_was_tampered_with_is_refused_with_both_hashes(one_file):
    path, data, expected = one_file
    altered = bytearray(path.read_bytes())
    altered[len(altered) // 2] ^= 1
    path.write_bytes(altered)
    message = refusal(data)
    for named in (str(path), expected, tiny_data.md5(altered)):
        assert named in message


@pytest.mark.parametrize("size", [0, -1, 2.5, True])
@pytest.mark.parametrize("kind", [MNISTDataModule, CelebADataModule])
def test_an_image_size_that_is_none_is_refused(kind, size):
    with pytest.raises(ConfigurationError, match="image_size: expected a whole number of at least 1"):
        kind(image_size=size)


@pytest.mark.parametrize("kind", [MNISTDataModule, CIFAR10DataModule, CelebADataModule])
def test_where_nothing_was_put_no_folder_is_made(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path / "some" / "where") in refusal(kind(root="some/where"))
    assert not (tmp_path / "some").exists()
