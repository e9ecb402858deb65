import base64
import io

import numpy as np
from PIL import Image

from mixgan_lightning import pictures
from mixgan_lightning.report.run import read_run
from mixgan_lightning.report.samples import LARGE_BYTES, PANEL, SMALL_BYTES, corner, earlier, newest


def test_a_panel_is_as_large_as_pictures_draws_it():
    picture = np.zeros((8, 8, 3), np.uint8)
    for n, panels in ((2, (2, 1)), (7, (4, 2))):
        height, width, _ = pictures.panels([("title", picture)] * n).shape
        assert (width, height) == (panels[0] * PANEL[0], panels[1] * PANEL[1])


def test_the_newest_is_embedded_as_it_is(make_run):
    paths = read_run(make_run()).samples
    found = newest(paths)
    assert found.caption == "epoch 12"
    assert base64.b64decode(found.uri.partition(",")[2]) == paths[-1].read_bytes()
    assert (found.width, found.height) == (660, 726)


def test_four_earlier_ones_show_their_first_two_panels(make_run):
    found = earlier(read_run(make_run()).samples)
    assert [one.caption for one in found] == ["epoch 2", "epoch 6", "epoch 10"]
    assert {(one.width, one.height) for one in found} == {(660, 363)}
    assert earlier(()) == []


def test_photographs_are_made_to_fit(tmp_path):
    path = tmp_path / "epoch_0001.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (2178, 1320, 3), np.uint8)).save(path)
    for found, limit in ((newest([path]), LARGE_BYTES), (corner(path), SMALL_BYTES)):
        content = base64.b64decode(found.uri.partition(",")[2])
        assert len(content) <= limit
        assert Image.open(io.BytesIO(content)).size == (found.width, found.height)


def test_a_picture_that_was_cut_off_is_passed_over(make_run):
    paths = read_run(make_run()).samples
    paths[-1].write_bytes(paths[-1].read_bytes()[:200])
    assert newest(paths).caption == "epoch 10"
    paths[0].write_bytes(b"")
    assert [one.caption for one in earlier(paths)] == ["epoch 6", "epoch 10"]
