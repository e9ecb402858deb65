import numpy as np
import pytest
from PIL import Image

from mixgan_lightning.reproduce.table_picture import write_table

HEAD = ["", "score", "seeds"]


@pytest.fixture
def drawn(tmp_path):
    """``drawn(rows, title, …)``: the picture's grey levels, (height, width)."""

    def draw(rows, title="Title", *args, **options):
        write_table(tmp_path / "table.png", rows, title, *args, **options)
        return np.asarray(Image.open(tmp_path / "table.png").convert("L"))

    return draw


def rules(picture):
    """Rows of pixels that are dark from margin to margin, neighbours counted once."""
    dark = [i for i, row in enumerate(picture) if (row < 128).mean() > 0.7]
    return [i for i in dark if i - 1 not in dark]


def test_three_rules_above_and_under_the_head_and_below(drawn):
    picture = drawn([HEAD, ["GAN", "7.16 ± 0.10", "3"], ["MIX+", "7.65 ± 0.06", "3"]])
    top, head, bottom = rules(picture)
    assert head - top == pytest.approx((bottom - top) / 3, abs=2)


def test_nothing_is_cut_off_at_the_edges(drawn):
    picture = drawn([HEAD, ["a name that is very long indeed, with more to say", "7", "1 of 3"]], "T" * 80, ["note"])
    for edge in (picture[:8], picture[-8:], picture[:, :8], picture[:, -8:]):
        assert (edge == 255).all()


def test_columns_do_not_overlap(drawn):
    """A column of blank pixels at least as wide as a letter lies between the cells of a row."""
    picture = drawn([["a" * 30, "b" * 30, "c" * 30], ["w" * 30, "w" * 30, "w" * 30]], "t")
    top, head, _ = rules(picture)
    inked = (picture[top + 4 : head - 2] < 200).any(axis=0)
    gaps, run = [], 0
    for ink in inked[np.argmax(inked) : len(inked) - np.argmax(inked[::-1])]:
        run, gaps = (0, [*gaps, run] if run > 20 else gaps) if ink else (run + 1, gaps)
    assert len(gaps) == 2


def test_rows_and_notes_make_it_taller_and_nothing_else_does(drawn):
    row = ["GAN", "7", "1"]
    one, two = drawn([HEAD, row]).shape[0], drawn([HEAD, row, row]).shape[0]
    assert two > one
    assert drawn([HEAD, row], "Title", ["a note"]).shape[0] > one


def test_a_cell_in_markdowns_bold_is_bold_and_its_stars_are_gone(drawn):
    def ink(cell):
        return int((255 - drawn([HEAD, [cell, "7", "1"]]).astype(int)).sum())

    assert ink("MIX") < ink("**MIX**") < ink("MIX") * 1.3


def test_cells_without_a_number_are_pale(drawn):
    rows = [HEAD, ["", "not run", ""]]
    cells = [drawn(rows, pale=pale)[120:] for pale in ((), ("not run",))]
    assert not np.array_equal(*cells)


def test_the_same_table_is_the_same_file(tmp_path):
    for name in ("a.png", "b.png"):
        write_table(tmp_path / name, [HEAD, ["GAN", "7", "1"]], "Title")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
