import numpy as np
import pytest

from mixgan_lightning.report.metrics import POINTS, Series, read_metrics


def write(folder, text, name="metrics.csv"):
    (folder / name).write_text(text)
    return folder


def test_cells_are_sparse_and_x_is_the_images_seen(tmp_path):
    found = read_metrics(
        write(tmp_path, "epoch,images_seen,loss/generator,quality/fid\n0,64,1.5,\n0,128,,9\n0,192,1.0,\n")
    )
    assert found["loss/generator"].seen.tolist() == [64, 192]
    assert found["loss/generator"].values.tolist() == [1.5, 1.0]
    assert found["quality/fid"].last == 9


@pytest.mark.parametrize(
    "text", ["", "\n", "epoch,images_seen,loss/generator\n", "images_seen\n64\n", "a,b\n1,2\n", "\x00"]
)
def test_nothing_logged_is_nothing_to_draw(text, tmp_path, page_of):
    found = read_metrics(write(tmp_path, text))
    assert "loss/generator" not in found
    assert page_of(tmp_path).unbalanced == []


def test_values_that_are_no_numbers_are_left_out_and_counted(tmp_path):
    cells = ("1.0", "nan", "NaN", "inf", "-inf", "tensor(3)", "1e300", "2.0")
    found = read_metrics(write(tmp_path, "images_seen,loss\n" + "".join(f"{k},{c}\n" for k, c in enumerate(cells))))
    assert found["loss"].values.tolist() == [1.0, 2.0]
    assert found["loss"].left_out == 6


def test_earlier_parts_come_first_and_a_later_one_counts(tmp_path):
    for n in (0, 1, 10, 9):
        write(tmp_path, f"images_seen,loss\n{n * 10},{n}\n{n * 10 + 15},-1\n", f"metrics.before_{n}.csv")
    write(tmp_path, "images_seen,loss\n110,11\n")
    series = read_metrics(tmp_path)["loss"]
    assert series.seen.tolist() == [0, 10, 25, 90, 100, 110]
    assert series.values.tolist() == [0, 1, -1, 9, 10, 11]


def test_a_cut_off_last_row(tmp_path):
    assert read_metrics(write(tmp_path, "images_seen,a,b\n64,1,2\n128,3"))["a"].values.tolist() == [1, 3]


def test_thinned_points_are_means_and_keep_the_range():
    series = Series(np.arange(3000.0), np.arange(3000.0) * 2)
    thin = series.thinned()
    assert len(thin.seen) == POINTS
    assert thin.values.mean() == pytest.approx(series.values.mean())
    assert np.allclose(thin.values, 2 * thin.seen)
    assert Series(np.arange(5.0), np.arange(5.0)).thinned().seen.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("values", [(1e59, -1e59), (1e-300, 2e-300), (0.0, 0.0), (5.0,)])
def test_any_size_can_be_drawn(values, tmp_path, page_of):
    write(
        tmp_path,
        "images_seen,loss/generator,quality/fid\n" + "".join(f"{64 * k},{v},{v}\n" for k, v in enumerate(values)),
    )
    page = page_of(tmp_path)
    assert len(page.all("svg")) == 2
    assert page.unbalanced == []
