import csv

import pytest
from PIL import Image

from mixgan_lightning.log_names import IMAGES_SEEN, INCEPTION_SCORE_MEAN
from mixgan_lightning.reproduce import Curves


def curve(*values, step=100):
    """Rows of metrics.csv: the value at each evaluation, and losses between."""
    rows = [{IMAGES_SEEN: f"{step * (i + 1)}.0", INCEPTION_SCORE_MEAN: value} for i, value in enumerate(values)]
    return [*rows, {IMAGES_SEEN: 42.0, "loss/generator": 0.7}, {"loss/generator": 0.6}]


@pytest.fixture
def write(tmp_path):
    """``write(*ran)``: the page's table as rows of cells; the page; the rows of the CSV."""

    def make(*ran, value=INCEPTION_SCORE_MEAN):
        experiments = [{"experiment": one.entry.experiment, "label": one.entry.label} for one in ran]
        page = Curves(title="Figure", experiments=experiments, value=value).write(ran, tmp_path / "figure")
        rows = [line.strip("| ").split(" | ") for line in page.body.splitlines() if line.startswith("|")]
        with (tmp_path / "figure.csv").open() as file:
            return rows[2:], page, list(csv.DictReader(file))

    return make


@pytest.fixture
def drawn(monkeypatch):
    """The lines of every figure: label -> (x, y)."""
    from matplotlib.figure import Figure

    found = {}
    save = Figure.savefig

    def watch(figure, *args, **options):
        lines = figure.axes[0].get_lines()
        found.update({line.get_label(): tuple(map(list, line.get_data())) for line in lines})
        return save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", watch)
    return found


def test_the_numbers_are_mean_and_deviation_at_each_evaluation(write, ran, finished):
    outcomes = [finished("a", 1, curve=curve(1.0, 5.0)), finished("a", 2, curve=curve(3.0, 5.0))]
    (row,), page, numbers = write(ran("GAN", *outcomes))
    assert [list(number.values()) for number in numbers] == [
        ["a", "100", "2.0", "1.4142135623730951", "2"],
        ["a", "200", "5.0", "0.0", "2"],
    ]
    assert row == ["GAN", "5.00 ± 0.00", "200", "2"]
    assert page.notes == []


def test_one_seed_has_no_deviation(write, ran, finished):
    (row,), _, numbers = write(ran("GAN", finished(curve=curve(1.0))))
    assert (numbers[0]["sd"], row[1]) == ("", "1.00")


def test_a_run_that_ended_early_counts_as_far_as_it_came(write, ran, finished):
    outcomes = [finished("a", 1, curve=curve(1.0, 5.0)), finished("a", 2, curve=curve(3.0))]
    (row,), _, numbers = write(ran("GAN", *outcomes))
    assert [number["n"] for number in numbers] == ["2", "1"]
    assert row == ["GAN", "5.00", "200", "1"]


def test_values_that_are_no_numbers_are_left_out_and_counted(write, ran, finished):
    (row,), page, numbers = write(ran("GAN", finished(curve=curve(1.0, "nan", "inf"))))
    assert (len(numbers), row[1]) == (1, "1.00")
    assert "GAN: 2 values that are no numbers are left out" in page.conditions


def test_every_experiment_is_a_line_and_real_data_a_dashed_one(write, ran, finished, drawn, tmp_path):
    real = {INCEPTION_SCORE_MEAN: 9.5}
    write(
        ran("MIX+", finished("a", 1, real=real, curve=curve(1.0, 4.0))),
        ran("GAN", finished("b", 1, real=real, curve=curve(1.0, 3.0, step=50))),
    )
    assert drawn["MIX+"] == ([100, 200], [1.0, 4.0])
    assert drawn["GAN"] == ([50, 100], [1.0, 3.0])
    assert drawn["real data"][1] == [9.5, 9.5]
    assert Image.open(tmp_path / "figure.png").width > 800


def test_what_did_not_run_is_no_line_and_told(write, ran, finished, failed, drawn):
    (_, row), page, _ = write(ran("MIX+", finished(curve=curve(1.0))), ran("GAN", failed("b", 1, "no data")))
    assert set(drawn) == {"MIX+"}
    assert row == ["GAN", "not run", "", "0"]
    assert page.notes == ["GAN: not run: no data (seed 1)"]


def test_what_was_not_measured_is_no_line_and_told(write, ran, finished, drawn):
    (row,), page, numbers = write(ran("GAN", finished(curve=curve(1.0))), value="quality/neural_net_divergence")
    assert (drawn, numbers) == ({}, [])
    assert row == ["GAN", "not measured", "", "0"]
    assert page.notes == ["GAN: no quality/neural_net_divergence in the metrics.csv of a"]
