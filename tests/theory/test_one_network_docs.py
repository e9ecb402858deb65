"""The code of docs/theory.md on one network and on diversity runs, and finds what the page says."""

import re
from pathlib import Path

import pytest
import torch

from mixgan_lightning.theory import FoldedGenerator

PAGE = (Path(__file__).parents[2] / "docs" / "theory.md").read_text("utf-8")


def section(title):
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def names_of(title):
    """What the code of a section leaves."""
    names = {}
    for block in re.findall(r"```python\n(.*?)```", section(title), re.DOTALL):
        exec(block, names)
    return names


def test_the_folded_generator_of_the_page_samples_and_the_average_pays():
    names = names_of("One network out of many")
    assert names["points"].shape == (64, 2)
    assert names["generator"].wrong_mass < 1e-3
    assert names["critic"](names["points"]).shape == (64,)


def test_the_bounds_of_the_page_are_those_of_the_code():
    rows = re.findall(
        r"^\| (uniform, T = 5|\.5.*?) \| (0\.\d+) \| (0\.\d+) \| (0\.\d+) \|$", section("One network out of many"), re.M
    )
    assert len(rows) == 5
    for w, delta, bound, measured in rows:
        weights = torch.full((5,), 0.2) if w.startswith("uniform") else torch.tensor([*map(float, w.split(", "))])
        network = FoldedGenerator([torch.nn.Identity()] * 5, weights, float(delta))
        assert network.wrong_mass == pytest.approx(float(bound), rel=5e-3)
        assert float(measured) <= float(bound)


def test_the_support_of_the_page_is_found(capsys):
    names = names_of("Diversity")
    assert names["support"].low < 100 < names["support"].high
    assert capsys.readouterr().out.startswith("about ")
