import io

import numpy as np
import pytest
import tiny_data
from PIL import Image

from mixgan_lightning.data.image_files import read_image
from mixgan_lightning.errors import DataError


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "1", "CMYK"])
def test_a_picture_of_any_mode_becomes_grey_or_rgb(mode, channels, tmp_path):
    path = tmp_path / "a.tiff"
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).convert("RGB").convert(mode).save(path)
    picture = read_image(path, path, channels)
    assert picture.size == (4, 3)
    assert len(picture.getbands()) == channels


def test_bytes_come_through_unchanged(tmp_path):
    (image,) = tiny_data.images(1, 3, 6, 5)
    contents = tiny_data.encoded(image, format="PNG")
    found = read_image(io.BytesIO(contents), tmp_path / "a.png", 3)
    assert np.array_equal(np.asarray(found), image.permute(1, 2, 0))


def test_a_photograph_stands_upright_as_its_camera_said(tmp_path):
    path = tmp_path / "a.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(np.zeros((2, 5), np.uint8)).save(path, exif=exif)
    assert read_image(path, path, 1).size == (2, 5)


@pytest.mark.parametrize("contents", [b"", b"no picture", "half"])
def test_what_cannot_be_read_is_named(contents, tmp_path):
    whole = tiny_data.encoded(tiny_data.images(1, 3, 40, 40)[0], format="PNG")
    path = tmp_path / "a.png"
    path.write_bytes(whole[: len(whole) // 2] if contents == "half" else contents)
    with pytest.raises(DataError, match=r"a\.png: cannot be read as an image"):
        read_image(path, path, 3)


def test_more_than_8_bits_a_channel_are_refused(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(path)
    with pytest.raises(DataError, match=r"deep\.png: expected an image of 8 bits a channel, got mode I"):
        read_image(path, path, 1)
