import numpy as np
import pytest
import torch
from PIL import Image

from mixgan_lightning import pictures


def test_all_256_greys_come_back_from_minus_one_to_one():
    greys = torch.arange(256)
    assert torch.equal(pictures.to_uint8(greys / 127.5 - 1), greys.to(torch.uint8))


def test_values_outside_are_clamped_and_half_precision_is_taken():
    images = torch.tensor([-7.0, -1.0, 1.0, 7.0])
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        assert pictures.to_uint8(images.to(dtype)).tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((64, 1, 8, 8), (2 + 8 * 34, 2 + 8 * 34)),  # enlarged 4 ×, 2 pixels between
        ((5, 3, 16, 16), (2 + 2 * 34, 2 + 3 * 34)),  # two rows of three
        ((4, 3, 64, 64), (2 + 2 * 66, 2 + 2 * 66)),  # as they are
    ],
)
def test_a_grid_is_as_square_as_can_be_and_small_images_are_enlarged(shape, size):
    picture = pictures.grid(torch.zeros(shape))
    assert picture.shape == (*size, 3)
    assert picture.dtype == np.uint8


def test_each_place_of_the_grid_shows_its_own_image():
    levels = torch.linspace(-1, 1, 6)
    images = levels.view(6, 1, 1, 1).expand(6, 1, 8, 8)
    picture = pictures.grid(images, columns=3)
    for i, level in enumerate(pictures.to_uint8(levels).tolist()):
        top, left = 2 + 34 * (i // 3), 2 + 34 * (i % 3)
        assert (picture[top : top + 32, left : left + 32] == level).all()
    assert (picture[:2] == 255).all()  # the border


def test_colours_and_rows_are_not_mixed_up():
    image = torch.full((1, 3, 32, 32), -1.0)
    image[0, 0] = 1  # red …
    image[0, 2, :16] = 1  # … with blue above
    picture = pictures.grid(image)
    assert picture[2 + 8, 2 + 8].tolist() == [255, 0, 255]
    assert picture[2 + 24, 2 + 8].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("shape", "images", "points"),
    [
        ((4, 1, 8, 8), True, False),
        ((4, 3, 8, 8), True, False),
        ((4, 2, 8, 8), False, False),
        ((4, 8, 8), False, False),
        ((4, 2), False, True),
        ((4, 3), False, False),
        ((4,), False, False),
    ],
)
def test_what_can_be_shown(shape, images, points):
    assert pictures.is_images(torch.zeros(shape)) is images
    assert pictures.is_points(torch.zeros(shape)) is points


def ink(picture):
    """Where something is drawn: (row, column) of the mean dark or coloured pixel, as shares of the sides."""
    rows, columns = np.nonzero((picture < 200).any(-1)[10:-10, 10:-10])  # without the frame
    return (rows.mean() + 10) / len(picture), (columns.mean() + 10) / len(picture)


def test_a_point_lies_where_its_coordinates_say():
    row, column = ink(pictures.scatter([torch.tensor([[1.0, -0.5]])], limit=2))
    assert column == pytest.approx(0.75, abs=0.01)  # 1 of −2 … 2, to the right
    assert row == pytest.approx(0.625, abs=0.01)  # −0.5 of 2 … −2, downwards


def test_groups_have_colours_of_their_own():
    picture = pictures.scatter([torch.tensor([[-1.0, 0.0]]), torch.tensor([[1.0, 0.0]])], limit=2)
    left, right = (picture[:, side].reshape(-1, 3).astype(int) for side in (slice(10, 200), slice(200, 390)))
    blue, orange = left[left.sum(1).argmin()], right[right.sum(1).argmin()]
    assert blue[2] > blue[0]
    assert orange[0] > orange[2]


@pytest.mark.parametrize(
    "groups",
    [
        [torch.zeros(5, 2)],
        [torch.empty(0, 2), torch.ones(3, 2)],
        [torch.empty(0, 2)],
        [torch.full((3, 2), torch.nan)],
        [torch.tensor([[torch.inf, 0.0], [1.0, 1.0]])],
        [torch.ones(3, 2, dtype=torch.bfloat16)],
    ],
)
@pytest.mark.filterwarnings("error")
def test_collapsed_and_diverged_points_are_drawn_too(groups):
    assert pictures.scatter(groups).shape == (400, 400, 3)


@pytest.mark.parametrize(
    ("n", "columns", "size"),
    [(1, 4, (363, 330)), (4, 4, (363, 1320)), (5, 4, (726, 1320)), (3, 2, (726, 660))],
)
def test_panels_stand_in_rows(n, columns, size):
    picture = pictures.panels([(f"panel {i}", np.zeros((20, 20, 3), np.uint8)) for i in range(n)], columns)
    assert picture.shape == (*size, 3)
    dark = (picture < 50).all(-1)
    for i in range(n):
        top, left = 363 * (i // columns), 330 * (i % columns)
        assert dark[top : top + 363, left : left + 330].mean() > 0.5, i


@pytest.mark.parametrize("shape", [(6, 5, 3), (6, 5)])
def test_a_png_holds_the_pixels(shape, tmp_path):
    picture = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    path = tmp_path / "new" / "folder" / "picture.png"
    pictures.write_png(path, picture)
    assert np.array_equal(np.asarray(Image.open(path)), picture)


def test_pairs_stand_side_by_side_under_their_names():
    """Each panel is its own pair's grid: black beside white, white beside black."""
    dark, light = -torch.ones(1, 8, 8), torch.ones(1, 8, 8)
    two = torch.stack([torch.stack([dark, light]), torch.stack([light, dark])])
    shown = pictures.pairs(two, ["0.1", "0.2"], "closest")
    expected = pictures.panels(
        [(name, pictures.grid(pair, 2)) for name, pair in zip(["0.1", "0.2"], two, strict=True)], title="closest"
    )
    assert np.array_equal(shown, expected)
    assert not np.array_equal(shown, pictures.pairs(two.flip(1), ["0.1", "0.2"], "closest"))
