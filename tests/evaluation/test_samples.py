import warnings
from itertools import chain

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mixgan_lightning import GAN, mix
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.evaluation import DrawnSamples, FolderSamples, samples
from mixgan_lightning.pictures import to_uint8, write_png
from mixgan_lightning.sampling import CHUNK


def whole(batches):
    """All samples and their numbers, in the order of the numbers."""
    images, index = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return images[index.argsort()], index.sort().values


# ------------------------------------------------------------------------------------------------ drawn


@pytest.mark.parametrize("n", [1, 100, CHUNK, 2 * CHUNK + 100])
@pytest.mark.parametrize("component", [None, 1])
def test_drawn_samples_are_the_models_own(n, component, image_model):
    model = image_model()
    drawn = DrawnSamples(model.sampler, n, seed=3, component=component)
    images, index = whole(drawn.batches())
    assert torch.equal(images, model.sample(n, seed=3, component=component)[0])
    assert torch.equal(index, torch.arange(n))
    assert len(drawn) == n


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_any_number_of_processes_draws_the_same_samples_each_once(size, shares, image_model):
    """Five processes share three chunks: two of them draw nothing."""
    n = 2 * CHUNK + 100
    drawn = DrawnSamples(image_model().sampler, n, seed=0)
    found = [list(drawn.batches(share)) for share in shares(size)]
    assert [len(batches) for batches in found] == {1: [3], 2: [2, 1], 3: [1, 1, 1], 5: [1, 1, 1, 0, 0]}[size]
    images, index = whole(chain(*found))
    assert torch.equal(index, torch.arange(n))
    assert torch.equal(images, whole(drawn.batches())[0])


def test_images_are_clamped_as_when_they_are_saved_with_a_warning(image_model):
    model = image_model(nn.Identity())
    expected = model.sample(100, seed=0)[0]
    assert expected.abs().max() > 1
    with pytest.warns(UserWarning, match=r"outside \[-1, 1\], clamped"):
        images, _ = whole(DrawnSamples(model.sampler, 100, seed=0).batches())
    assert torch.equal(images, expected.clamp(-1, 1))
    assert torch.equal(to_uint8(images), to_uint8(expected))


def test_points_are_not_clamped():
    model = mix(lambda: GAN(nn.Linear(2, 2), nn.Linear(2, 1), latent_dim=2), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points, _ = whole(DrawnSamples(model.sampler, 100, seed=0).batches())
    assert points.abs().max() > 1
    assert torch.equal(points, model.sample(100, seed=0)[0])


def test_nan_is_left_to_be_refused_and_not_called_a_pixel_outside(image_model):
    model = image_model(nn.Tanh(), nn.Threshold(0.5, torch.nan))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images, _ = whole(DrawnSamples(model.sampler, 100, seed=0).batches())
    assert 0 < images.isnan().sum() < images.numel()


# ------------------------------------------------------------------------------------------------ of a folder


@pytest.fixture
def pixels():
    """``pixels(*shape, seed=0)``: uniform noise in 8 bits."""
    return lambda *shape, seed=0: np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path, pixels):
    """Ten grey images 000.png … 009.png, each of the grey of its number, and what is no image."""
    for i in (3, 1, 0, 2, 9, 8, 7, 6, 5, 4):
        write_png(tmp_path / f"{i:03}.png", np.full((4, 6), i, np.uint8))
    (tmp_path / "readme.txt").write_text("not an image")
    return tmp_path


def numbers(found):
    """Which of the folder's images these are."""
    return to_uint8(found)[:, 0, 0, 0].tolist()


def test_images_come_in_the_order_of_their_names(folder):
    images, index = whole(FolderSamples(folder, 1).batches())
    assert numbers(images) == index.tolist() == list(range(10))
    assert images.shape == (10, 1, 4, 6)


def test_all_kinds_of_images_are_found_also_in_sub_folders(folder):
    for name in ("a/1.JPG", "a/2.jpeg", "b/c/3.bmp", "b/c/4.webp"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (6, 4)).save(folder / name)
    assert len(FolderSamples(folder, 1)) == 14


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_shares_put_together_are_all_images_each_once(size, folder, shares, monkeypatch):
    monkeypatch.setattr(samples, "CHUNK", 4)
    found = FolderSamples(folder, 1)
    shared = [list(found.batches(share)) for share in shares(size)]
    assert [len(batches) for batches in shared] == {1: [3], 2: [2, 1], 3: [1, 1, 1], 5: [1, 1, 1, 0, 0]}[size]
    images, index = whole(chain(*shared))
    assert numbers(images) == index.tolist() == list(range(10))


@pytest.mark.parametrize(
    ("limit", "taken"),
    [(1, [0]), (2, [0, 5]), (3, [0, 3, 6]), (7, [0, 1, 2, 4, 5, 7, 8]), (10, list(range(10)))],
)
def test_so_many_are_taken_evenly_spaced(limit, taken, folder):
    """Folders are often sorted by class."""
    found = FolderSamples(folder, 1, limit)
    images, index = whole(found.batches())
    assert len(found) == limit
    assert numbers(images) == taken
    assert index.tolist() == list(range(limit))


@pytest.mark.parametrize(("channels", "shape"), [(1, (5, 7)), (3, (5, 7, 3))])
def test_a_png_comes_back_exactly(channels, shape, tmp_path, pixels):
    picture = pixels(*shape)
    write_png(tmp_path / "a.png", picture)
    ((images, _),) = FolderSamples(tmp_path, channels).batches()
    assert images.dtype == torch.float32
    assert -1 <= images.min() < -0.9 < 0.9 < images.max() <= 1
    assert np.array_equal(to_uint8(images)[0].permute(1, 2, 0).numpy().reshape(shape), picture)


def test_grey_is_read_as_rgb_and_rgb_as_grey(tmp_path, pixels):
    write_png(tmp_path / "grey.png", pixels(5, 7))
    write_png(tmp_path / "rgb.png", np.repeat(pixels(5, 7, seed=1)[:, :, None], 3, axis=2))
    rgb, _ = whole(FolderSamples(tmp_path, 3).batches())
    grey, _ = whole(FolderSamples(tmp_path, 1).batches())
    assert rgb.shape == (2, 3, 5, 7)
    assert torch.equal(grey.expand(-1, 3, -1, -1), rgb)


@pytest.mark.parametrize("channels", [2, 4, 64])
def test_other_numbers_of_channels_are_refused(channels, folder):
    with pytest.raises(ConfigurationError, match=f"images={folder}: .*data="):
        FolderSamples(folder, channels)


def test_a_folder_that_is_not_there_is_refused(folder):
    for path in (folder / "missing", folder / "000.png"):
        with pytest.raises(DataError, match=f"images={path}: expected a folder"):
            FolderSamples(path, 1)


def test_too_few_images_are_refused(folder, tmp_path_factory):
    with pytest.raises(DataError, match=r"at least 11 images .*got 10"):
        FolderSamples(folder, 1, limit=11)
    with pytest.raises(DataError, match=r"at least 1 images \(.*\.png.*got 0"):
        FolderSamples(tmp_path_factory.mktemp("empty"), 1)


@pytest.mark.parametrize(
    ("name", "contents"),
    [
        ("000.png", b""),
        ("004.png", b"no image"),
        ("009.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x06"),
        ("aaa.ppm", b"P6 6"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(name, contents, folder):
    (folder / name).write_bytes(contents)
    with pytest.raises(DataError, match=f"{name}: cannot be read as an image"):
        list(FolderSamples(folder, 1).batches())


def test_half_a_file_is_named(folder, pixels):
    write_png(folder / "005.png", pixels(4, 6))
    contents = (folder / "005.png").read_bytes()
    (folder / "005.png").write_bytes(contents[:-30])
    with pytest.raises(DataError, match=r"005\.png: cannot be read as an image"):
        list(FolderSamples(folder, 1).batches())


def test_another_size_is_named(folder, monkeypatch):
    monkeypatch.setattr(samples, "CHUNK", 4)
    write_png(folder / "007.png", np.zeros((6, 4), np.uint8))
    with pytest.raises(DataError, match=r"007\.png: expected 4 × 6 pixels as 000\.png, got 6 × 4"):
        list(FolderSamples(folder, 1).batches())


def test_sixteen_bits_are_not_clipped_to_eight(folder):
    """Pillow turns every grey above 255 of 65,535 into white."""
    Image.fromarray(np.full((4, 6), 30_000, np.uint16)).save(folder / "002.png")
    with pytest.raises(DataError, match=r"002\.png: .*8 bits"):
        list(FolderSamples(folder, 1).batches())
