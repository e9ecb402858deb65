import pytest

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.reproduce.entry import Entry, entries_on

ENTRIES = [Entry("paper/table", "GAN", "1.0"), Entry("paper/mix_table", "MIX+", "2.0")]
EXPERIMENTS = [
    *("paper/table", "paper/mix_table", "paper/digits/table", "paper/digits/mix_table"),
    *("paper/faces/table", "ring/mix5", "other/moons/table", "other/moons/mix_table"),
]


def test_on_the_papers_data_they_are_as_they_are():
    assert entries_on("cifar10", ENTRIES, "cifar10", EXPERIMENTS) == ENTRIES


def test_on_other_data_the_experiments_are_those_of_its_folder_and_all_else_stays():
    found = entries_on("digits", ENTRIES, "cifar10", EXPERIMENTS)
    assert found == [Entry("paper/digits/table", "GAN", "1.0"), Entry("paper/digits/mix_table", "MIX+", "2.0")]


def test_options_stay_with_the_entry_on_other_data():
    (found,) = entries_on("digits", [Entry("paper/table", "GAN", options=["a=1"])], "cifar10", EXPERIMENTS)
    assert (found.experiment, found.options) == ("paper/digits/table", ("a=1",))


@pytest.mark.parametrize("data", ["faces", "moons", "mnist"])  # not all of them; another folder's; none
def test_data_without_all_the_experiments_are_refused_and_those_with_them_named(data):
    with pytest.raises(ConfigurationError, match=rf"data={data}: .*\(available: cifar10, digits\)"):
        entries_on(data, ENTRIES, "cifar10", EXPERIMENTS)


def test_where_there_are_no_experiments_at_all_it_is_said():
    with pytest.raises(ConfigurationError, match="available: none yet"):
        entries_on("cifar10", ENTRIES, "cifar10", [])


def test_without_a_paper_there_is_no_choice_of_data():
    assert entries_on(None, ENTRIES, None, []) == ENTRIES
    with pytest.raises(ConfigurationError, match="data=digits: these experiments name their data themselves"):
        entries_on("digits", ENTRIES, None, EXPERIMENTS)
