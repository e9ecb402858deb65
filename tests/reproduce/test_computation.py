import csv
from importlib.metadata import version

import pytest
from PIL import Image

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.reproduce import Computation
from mixgan_lightning.reproduce.theorems import Measurement


class Known(Measurement):
    """Values that say which size and seed they are of."""

    size_name, value_name = "samples", "distance"

    def measure(self, size, seed):
        return {"sum": float(size + seed), "ratio": seed / size}

    def conditions(self):
        return ["known numbers"]


def computation(**options):
    return Computation(**{"title": "Known", "measurement": Known(), "sizes": [10, 1000], "seeds": [1, 3]} | options)


@pytest.fixture
def write(tmp_path):
    return lambda of: of.write([], tmp_path / "new" / "known1.1", ["`the command`"])


def test_the_table_has_a_row_a_size_with_mean_and_deviation_over_seeds(write):
    page = write(computation())
    assert page.body.splitlines()[:4] == [
        "| samples | sum | ratio |",
        "| --- | --- | --- |",
        "| 10 | 12.000 ± 1.414 | 0.200 ± 0.141 |",
        "| 1,000 | 1002.000 ± 1.414 | 0.002 ± 0.001 |",
    ]
    assert page.notes == []


def test_one_seed_has_no_deviation_and_sizes_are_in_order(write):
    page = write(computation(sizes=[5, 2, 5], seeds=[1]))
    assert page.body.splitlines()[2:4] == ["| 2 | 3.000 | 0.500 |", "| 5 | 6.000 | 0.200 |"]
    assert page.conditions[0] == "seed 1"


def test_the_numbers_are_those_of_every_size_and_seed(write):
    (text, picture, numbers) = write(computation()).files
    assert [file.name for file in (text, picture, numbers)] == ["known1.1.md", "known1.1.png", "known1.1.csv"]
    with numbers.open() as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows == [
        {"size": size, "seed": seed, "sum": size + seed, "ratio": seed / size} for size in (10, 1000) for seed in (1, 3)
    ]
    assert Image.open(picture).width > 1_000


def test_the_foot_says_how_it_was_measured(write):
    page = write(computation(conditions=["and more"]))
    over, known, more, spent, command = page.conditions
    assert (over, known, more, command) == ("mean ± sd over seeds 1, 3", "known numbers", "and more", "`the command`")
    assert "0 CPU seconds" in spent
    for package in ("torch", "scipy"):
        assert f"{package} {version(package)}" in spent


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": []}, "sizes: expected a list of whole numbers"),
        ({"sizes": 50}, "sizes: expected a list of whole numbers, as .* got 50"),
        ({"sizes": [0]}, "sizes: expected a whole number of at least 1, got 0"),
        ({"measurement": {}}, "measurement: expected a Measurement, got dict"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        computation(**options)
