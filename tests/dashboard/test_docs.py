"""The page's table names what is logged, all of it, and nothing else."""

import re
from collections import Counter
from pathlib import Path

import pytest

from mixgan_lightning import log_names

PAGE = (Path(__file__).parents[2] / "docs" / "dashboard.md").read_text("utf-8")
TABLE = PAGE.split("## What is logged\n")[1]


@pytest.fixture(scope="module")
def rows():
    """Its rows as (keys, what, unit and range, when)."""
    cells = [line.strip("| ").split(" | ") for line in TABLE.splitlines() if line.startswith("| `")]
    assert {len(row) for row in cells} == {4}
    return [(re.findall(r"`([^`]+)`", keys), *others) for keys, *others in cells]


def test_the_table_and_the_log_names_agree_both_ways(rows, known):
    named = Counter(key for keys, *_ in rows for key in keys)
    assert set(named) == known
    assert set(named.values()) == {1}


def test_every_row_says_what_in_which_range_and_when(rows):
    for keys, *others in rows:
        assert all(cell.strip() for cell in others), keys
    assert {when for *_, when in rows} == {"always", "often", "evaluation", "once, at the end"}


def test_pictures_and_tables_are_told(rows):
    kinds = {key: unit for keys, _, unit, _ in rows for key in keys if unit in ("picture", "table")}
    assert kinds == {
        log_names.PAYOFF_HEATMAP: "picture",
        log_names.PAYOFF_MATRIX: "table",
        log_names.SAMPLES_MIXTURE: "picture",
        log_names.samples_component("{i}"): "picture",
    }


def test_the_pages_code_runs(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out.startswith("Quality (open)\n")
