import os
import shutil
import sys
import zipfile

import pytest
import torch
from refusals import refusal
from torchvision.datasets import CelebA

from mixgan_lightning.data import CelebADataModule, image_cache

ARCHIVE, PARTITION = "img_align_celeba.zip", "list_eval_partition.txt"


@pytest.fixture
def copied(tiny_celeba, tmp_path):
    """A copy of the files, to be changed, and where they lie."""
    shutil.copytree(tiny_celeba.root, tmp_path / "data")
    return tmp_path / "data" / "celeba"


def unverified(folder):
    return CelebADataModule(folder.parent, hashes={ARCHIVE: None, PARTITION: None})


def test_the_middle_of_each_face_is_kept_in_the_order_of_the_list_and_the_second_part_left_out(tiny_celeba):
    data = CelebADataModule(**tiny_celeba.options, image_size=108)
    data.setup()
    for found, faces in ((data.train, tiny_celeba.train), (data.validation, tiny_celeba.held_out)):
        (images,) = found.tensors
        middle = faces[:, :, 55:163, 35:143]
        assert images.shape == middle.shape
        assert (images.short() - middle.short()).abs().float().mean() < 1  # JPEG's loss


def test_faces_are_64_pixels_wide_smoothly_resized(tiny_celeba):
    data = CelebADataModule(**tiny_celeba.options, batch_size=40)
    data.setup()
    faces = next(iter(data.val_dataloader()))
    assert (faces.shape, faces.dtype) == ((40, *data.sample_shape), torch.float32)
    assert faces.abs().max() <= 1
    middle = tiny_celeba.held_out[:, :, 55:163, 35:143] / 127.5 - 1
    expected = torch.nn.functional.interpolate(middle, (64, 64), mode="bilinear", antialias=True)
    assert (faces - expected).abs().mean() < 0.01
    assert data.num_classes is None


def test_faces_are_bytes_of_a_mapped_file_and_the_archive_is_not_extracted(tiny_celeba, own_cache):
    data = CelebADataModule(**tiny_celeba.options)
    data.setup()
    assert data.train.tensors[0].dtype == torch.uint8
    (file,) = (own_cache / "images").glob("*.bin")
    assert file.stat().st_size == 320 * 3 * 64 * 64
    assert {path.name for path in (tiny_celeba.root / "celeba").iterdir()} == {ARCHIVE, PARTITION}


def test_the_second_use_reads_the_cache(tiny_celeba, monkeypatch):
    first, second = (CelebADataModule(**tiny_celeba.options) for _ in range(2))
    first.setup()
    monkeypatch.setattr(image_cache, "_write", lambda *args: pytest.fail("resized again"))
    second.setup()
    assert torch.equal(first.train.tensors[0], second.train.tensors[0])


def test_another_size_and_another_archive_are_cached_apart(tiny_celeba, own_cache, copied):
    CelebADataModule(**tiny_celeba.options).setup()
    CelebADataModule(**tiny_celeba.options, image_size=32).setup()
    os.utime(copied / ARCHIVE, (1, 1))
    CelebADataModule(copied.parent, hashes=tiny_celeba.hashes).setup()
    assert len(list((own_cache / "images").glob("*.bin"))) == 3


def test_the_official_hashes_are_the_default(tiny_celeba):
    official = {name: md5 for _, md5, name in CelebA.file_list}
    data = CelebADataModule(tiny_celeba.root)
    assert data.hashes == {name: official[name] for name in (ARCHIVE, PARTITION)}
    assert official[PARTITION] in refusal(data)


def test_an_archive_that_changes_after_it_was_cached_is_verified_again(copied, tiny_celeba):
    CelebADataModule(copied.parent, hashes=tiny_celeba.hashes).setup()
    (copied / ARCHIVE).write_bytes(b"something else")
    assert tiny_celeba.hashes[ARCHIVE] in refusal(CelebADataModule(copied.parent, hashes=tiny_celeba.hashes))


@pytest.mark.parametrize("left", [0, 0.5, 0.999])
def test_a_truncated_archive_is_one_line_that_names_it_and_leaves_no_cache(left, copied, own_cache):
    os.truncate(copied / ARCHIVE, int(left * (copied / ARCHIVE).stat().st_size))
    assert str(copied / ARCHIVE) in refusal(unverified(copied))
    assert {path.suffix for path in (own_cache / "images").iterdir()} <= {".lock"}


def test_a_picture_that_is_missing_or_damaged_is_named(copied, own_cache):
    with zipfile.ZipFile(copied / ARCHIVE) as whole:
        pictures = {name: whole.read(name) for name in whole.namelist()}
    del pictures["img_align_celeba/000007.jpg"]
    for damaged in ({}, {"img_align_celeba/000007.jpg": b"no picture"}):
        with zipfile.ZipFile(copied / ARCHIVE, "w") as archive:
            for name, contents in (pictures | damaged).items():
                archive.writestr(name, contents)
        message = refusal(unverified(copied))
        assert "000007.jpg" in message
        assert ARCHIVE in message


def test_a_list_of_another_format_is_one_line_that_names_it(copied):
    (copied / PARTITION).write_text("000001.jpg\n")
    assert PARTITION in refusal(unverified(copied))


def test_a_download_asks_google_drive_and_says_what_package_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr("mixgan_lightning.data.files.unreachable", lambda url: None)
    monkeypatch.setitem(sys.modules, "gdown", None)
    message = refusal(CelebADataModule(tmp_path, download=True))
    for said in (ARCHIVE, "drive.google.com", "pip install gdown", str(tmp_path / "celeba" / ARCHIVE)):
        assert said in message
