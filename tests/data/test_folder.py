import shutil
from pathlib import Path

import pytest
import tiny_data
import torch
from PIL import Image

from mixgan_lightning.data import FolderDataModule, image_cache
from mixgan_lightning.errors import ConfigurationError, DataError


@pytest.fixture
def pictures(tiny_folder):
    """Three subfolders; to be read, not changed."""
    return Path(tiny_folder.options["path"])


@pytest.fixture
def copied(pictures, tmp_path):
    """A copy, to be changed."""
    return shutil.copytree(pictures, tmp_path / "pictures")


@pytest.fixture
def parted(pictures, tmp_path):
    """The same pictures for training and held out, in folders of their own."""
    for part in ("train", "test"):
        shutil.copytree(pictures, tmp_path / "parted" / part)
    shutil.rmtree(tmp_path / "parted" / "test" / "apples" / "more")
    return tmp_path / "parted"


def flat(folder, colours):
    """A folder of pictures, each of one colour: 00.png, 01.png …"""
    folder.mkdir(parents=True, exist_ok=True)
    for i, colour in enumerate(colours):
        Image.new("RGB", (9, 7), colour).save(folder / f"{i:02d}.png")
    return folder


def ready(path, **options):
    data = FolderDataModule(path, **{"batch_size": 4, "image_size": 8} | options)
    data.setup()
    return data


def refusal(path, **options):
    with pytest.raises(DataError) as refused:
        ready(path, **options)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_any_size_format_and_depth_become_batches_of_one_shape(channels, pictures):
    data = ready(pictures, channels=channels, image_size=32, batch_size=100)
    assert (len(data.train), len(data.validation)) == (108, 12)
    assert data.train.tensors[0].dtype == torch.uint8
    images = next(iter(data.train_dataloader()))
    assert (images.shape, images.dtype) == ((100, *data.sample_shape), torch.float32)
    assert data.sample_shape == (channels, 32, 32)
    assert 0.9 < images.abs().max() <= 1


def test_the_shorter_side_is_resized_and_the_middle_cut_out(tmp_path, own_cache):
    picture = torch.zeros(3, 20, 60, dtype=torch.uint8)
    picture[:, :, 20:40] = 200
    for i in range(10):
        (tmp_path / f"{i}.png").write_bytes(tiny_data.encoded(picture, format="PNG"))
    images = ready(tmp_path, image_size=10).train.tensors[0]
    assert (images[..., 1:-1] == 200).all()


def test_of_a_folder_without_parts_some_are_held_out_evenly_and_no_picture_is_lost(tmp_path, own_cache):
    data = ready(flat(tmp_path / "flat", [(i, 0, 0) for i in range(20)]), validation_share=0.25)
    held_out = data.validation.tensors[0][:, 0, 0, 0].tolist()
    train = data.train.tensors[0][:, 0, 0, 0].tolist()
    assert held_out == [0, 4, 8, 12, 16]
    assert sorted(train + held_out) == list(range(20))


def test_every_subfolder_gives_its_share_of_what_is_held_out(pictures):
    assert ready(pictures, num_classes=3).validation.tensors[1].bincount().tolist() == [4, 4, 4]


def test_subfolders_are_labels_in_the_order_of_their_names_where_asked_for(tmp_path, own_cache):
    for colour, name in ((10, "b"), (0, "a"), (20, "c")):
        flat(tmp_path / "all" / name / "nested", [(colour, 0, 0)] * 6)
    data = ready(tmp_path / "all", num_classes=3)
    images, labels = data.train.tensors
    assert torch.equal(images[:, 0, 0, 0], 10 * labels)
    assert len(ready(tmp_path / "all").train.tensors) == 1


@pytest.mark.parametrize("name", ["test", "val"])
def test_a_folder_with_parts_is_held_out_as_it_says(name, parted):
    (parted / "test").rename(parted / name)
    data = ready(parted, num_classes=3)
    assert (len(data.train), len(data.validation)) == (120, 110)
    assert data.validation.tensors[1].bincount().tolist() == [40, 30, 40]  # capitals before small letters


def test_train_without_a_part_to_hold_out_is_a_subfolder_like_others(parted):
    shutil.rmtree(parted / "test")
    data = ready(parted)
    assert (len(data.train), len(data.validation)) == (108, 12)


def test_hidden_folders_and_what_is_no_picture_are_not_looked_at(pictures):
    assert list(pictures.rglob(".thumbnails/*.png"))
    assert list(pictures.glob("*.txt"))
    ready(pictures)


def test_the_second_use_reads_the_cache(pictures, monkeypatch):
    first = ready(pictures)
    monkeypatch.setattr(image_cache, "_write", lambda *args: pytest.fail("resized again"))
    assert torch.equal(ready(pictures).train.tensors[0], first.train.tensors[0])
    assert len(ready(pictures, num_classes=3).train.tensors) == 2  # labels need no other images


def test_a_folder_that_moves_keeps_its_cache(tmp_path, own_cache, monkeypatch):
    first = flat(tmp_path / "one" / "flat", [(i, 0, 0) for i in range(20)])
    ready(first)
    monkeypatch.setattr(image_cache, "_write", lambda *args: pytest.fail("resized again"))
    ready(first.rename(tmp_path / "flat"))


@pytest.mark.parametrize("change", ["added", "removed", "replaced"])
def test_images_follow_a_folder_that_changes(change, tmp_path, own_cache):
    folder = flat(tmp_path / "flat", [(10, 0, 0)] * 20)
    ready(folder)
    if change == "added":
        Image.new("RGB", (9, 7), (99, 0, 0)).save(folder / "99.png")
    elif change == "removed":
        (folder / "07.png").unlink()
    else:
        Image.new("RGB", (9, 7), (99, 0, 0)).save(folder / "07.png")
    data = ready(folder)
    reds = torch.cat([part.tensors[0][:, 0, 0, 0] for part in (data.train, data.validation)])
    assert len(reds) == {"added": 21, "removed": 19, "replaced": 20}[change]
    assert (reds == 99).sum() == (change != "removed")


def test_a_picture_that_cannot_be_read_is_named(copied, own_cache):
    (copied / "apples" / "001.JPG").write_bytes(b"no picture")
    message = refusal(copied)
    assert str(copied / "apples" / "001.JPG") in message
    assert not list((own_cache / "images").glob("*.bin"))


@pytest.mark.parametrize("asked", [1, 2, 4])
def test_another_number_of_subfolders_than_classes_is_refused(asked, pictures):
    message = refusal(pictures, num_classes=asked)
    assert f"num_classes={asked}" in message
    assert "got 3: Bananas, apples, cherries" in message


def test_a_picture_outside_of_all_subfolders_has_no_label(copied):
    shutil.copy(copied / "apples" / "001.JPG", copied / "loose.jpg")
    assert "loose.jpg is in no subfolder" in refusal(copied, num_classes=3)
    ready(copied)


def test_a_folder_that_is_not_there_or_holds_no_pictures_is_refused(tmp_path, own_cache):
    assert str(tmp_path / "none") in refusal(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    message = refusal(tmp_path / "empty")
    assert "got none" in message
    assert ".png" in message


def test_one_picture_cannot_be_both_trained_on_and_held_out(tmp_path, own_cache):
    assert "got none" in refusal(flat(tmp_path / "flat", [(1, 2, 3)]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": 2},
        {"channels": 4},
        {"image_size": 0},
        {"num_classes": 0},
        {"num_classes": 1.5},
        {"validation_share": 0},
        {"validation_share": 1},
        {"batch_size": 0},
    ],
    ids=lambda wrong: "=".join(map(str, *wrong.items())),
)
def test_numbers_out_of_their_range_are_refused(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        FolderDataModule("anywhere", **wrong)
