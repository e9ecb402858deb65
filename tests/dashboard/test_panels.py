import pytest

from mixgan_lightning import log_names
from mixgan_lightning.dashboard.panels import Bars, Lines, Section, each


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_the_keys_of_all_components_are_told_by_one(player):
    assert each(lambda i: log_names.weight(player, i)) == f"mixture/{player}/weight/{{i}}"
    assert each(lambda i: log_names.of_component(i, log_names.RECALL)) == "quality/component/{i}/recall"


def test_only_a_number_of_its_own_is_a_component():
    assert each(lambda i: f"own/10/{i}/score_0") == "own/10/{i}/score_0"


def test_a_section_reads_as_text():
    section = Section("Game", (Lines("losses", ("a", "b")), Bars("by seed", ("c",), ("seed",))), is_open=True)
    assert str(section) == "Game (open)\n  losses (lines): a, b\n  by seed (bars): c against seed"
    assert str(Section("Empty", ())) == "Empty (collapsed)"
