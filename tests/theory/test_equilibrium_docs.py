"""The code of docs/theory.md on equilibria runs, and finds what the page says."""

import re
from pathlib import Path

import pytest

from mixgan_lightning.theory import matrix_gap

PAGE = (Path(__file__).parents[2] / "docs" / "theory.md").read_text("utf-8")


def names_of(section):
    """What the code of a section leaves."""
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.split(f"## {section}\n")[1].split("\n## ")[0], re.DOTALL):
        exec(block, names)
    return names


@pytest.mark.filterwarnings("ignore:duality_gap. the estimate is negative")  # the page's networks are untrained
def test_the_duality_gap_of_the_page_is_estimated(capsys):
    found = names_of("Equilibrium")["found"]
    assert (found.steps, found.train_samples, found.held_out_samples) == (50, 200, 200)
    assert capsys.readouterr().out.splitlines()[-1] == "50 200 200"


def test_the_game_of_the_page_is_solved():
    names = names_of("The game solved exactly")
    assert abs(float(matrix_gap(names["F"].double(), names["w_u"], names["w_v"]))) < 1e-9
    assert min(names["w_u"].tolist()) == 0  # "most often some weights are 0"
