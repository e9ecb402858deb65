import pytest

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.reproduce import Reproduction
from mixgan_lightning.reproduce.reproduction import Page, beside, markdown_table

EXPERIMENTS = [{"experiment": "paper/a", "label": "GAN"}, {"experiment": "paper/b", "label": "MIX+", "paper": "7.65"}]


class Plain(Reproduction):
    """Shows how many runs are finished."""

    def page(self, ran, stem):
        path = beside(stem, ".txt")
        path.write_text("")
        return Page(f"{sum(len(one.finished) for one in ran)} finished", [path], ["its own note"], ["its condition"])


@pytest.fixture
def plain():
    return Plain("Table", EXPERIMENTS, data="cifar10", options=["a=1"])


def test_rows_are_entries(plain):
    assert [(entry.experiment, entry.label, entry.paper) for entry in plain.entries] == [
        ("paper/a", "GAN", None),
        ("paper/b", "MIX+", "7.65"),
    ]


def test_on_other_data_it_is_another_and_the_first_stays(plain):
    there = plain.on("digits", ["paper/digits/a", "paper/digits/b"])
    assert [entry.experiment for entry in there.entries] == ["paper/digits/a", "paper/digits/b"]
    assert (there.title, there.data, there.options) == ("Table, digits", "cifar10", ("a=1",))
    assert (plain.title, plain.entries[0].experiment) == ("Table", "paper/a")


def test_without_a_choice_it_is_on_the_papers_data(plain):
    here = plain.on(None, ["paper/a", "paper/b"])
    assert (here.title, here.entries) == ("Table, cifar10", plain.entries)
    with pytest.raises(ConfigurationError, match="available: none yet"):
        plain.on(None, [])


def test_one_of_no_paper_has_the_data_of_its_experiments():
    ours = Plain("Ours", EXPERIMENTS)
    assert ours.on(None, []).title == "Ours"


def test_the_page_says_what_is_missing_and_how_it_was_measured(plain, ran, finished, failed, tmp_path):
    stem = tmp_path / "new" / "table.1"
    page = plain.write([ran("GAN", finished("a", 1), failed("a", 2, "no data"))], stem, ["`the command`"])
    assert page.files == [tmp_path / "new" / "table.1.md", tmp_path / "new" / "table.1.txt"]
    assert page.notes == ["GAN: not run: no data (seed 2)", "its own note"]
    assert (tmp_path / "new" / "table.1.md").read_text() == (
        "# Table\n\n1 finished\n\n"
        "- GAN: not run: no data (seed 2)\n- its own note\n\n"
        "- mean ± sd over seeds 1, 2; scored from 360 samples; trained on cpu\n- its condition\n- `the command`\n"
    )


def test_a_complete_page_has_no_notes():
    assert Page("body", []).markdown("Title") == "# Title\n\nbody\n"


def test_a_table_has_a_rule_under_its_head():
    assert markdown_table([["a", "b"], ["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
