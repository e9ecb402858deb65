"""The dashboard shows what is logged, all of it, and nothing else."""

import pytest

from mixgan_lightning import log_names
from mixgan_lightning.dashboard import dashboard
from mixgan_lightning.dashboard.panels import Comparison, Lines, Pictures

LEFT_OUT = {
    log_names.IMAGES_SEEN: "the x axis of all curves",
    log_names.of_component("{i}", log_names.INCEPTION_SCORE_STD): "five bands in one chart hide its five curves",
    log_names.of_component("{i}", log_names.KERNEL_DISTANCE_STD): "the same",
}


@pytest.fixture(scope="module")
def sections():
    return dashboard()


def panels(sections):
    return [panel for section in sections for panel in section.panels]


def shown(sections):
    return {key for panel in panels(sections) for key in panel.keys}


def test_every_key_that_is_shown_is_logged(sections, known, as_known):
    assert {as_known(key) for key in shown(sections)} <= known


def test_every_key_that_is_logged_is_shown_or_left_out_for_a_reason(sections, known, as_known):
    found = {as_known(key) for key in shown(sections)}
    assert known - found == set(LEFT_OUT)


def test_quality_and_samples_are_open_and_come_first(sections):
    assert [section.title for section in sections] == ["Quality", "Samples", "Mixture", "Game", "Optimisation", "Sweep"]
    assert [section.is_open for section in sections] == [True, True, False, False, False, False]


def test_the_inception_score_is_the_first_curve(sections):
    assert sections[0].panels[0] == Lines("inception score", (log_names.INCEPTION_SCORE_MEAN,))


def test_titles_are_words_without_a_plus_and_no_two_are_alike(sections):
    for section in sections:
        titles = [panel.title for panel in section.panels]
        assert len(set(titles)) == len(titles)
        assert not any("+" in title or "/" in title or "_" in title for title in [section.title, *titles])


@pytest.mark.parametrize(("size", "of_components"), [(1, 0), (2, 2), (20, 20)])
def test_pictures_of_as_many_components_as_asked(size, of_components, sections):
    samples = [panel for section in dashboard(size) for panel in section.panels if isinstance(panel, Pictures)]
    keys = [key for panel in samples for key in panel.keys]
    assert keys == [
        log_names.SAMPLES_MIXTURE,
        *map(log_names.samples_component, range(of_components)),  # a mixture of one has no further picture
        log_names.PAYOFF_HEATMAP,
    ]
    others = [[panel for panel in panels(found) if panel not in samples] for found in (dashboard(size), sections)]
    assert others[0] == [panel for panel in others[1] if not isinstance(panel, Pictures)]


def test_sweeps_compare_the_objective_by_options(sections):
    found = [panel for panel in panels(sections) if isinstance(panel, Comparison)]
    assert {panel.kind for panel in found} == {"bars", "scatter", "parallel coordinates"}
    assert {key for panel in found for key in panel.keys} == {log_names.OBJECTIVE}
    assert {option for panel in found for option in panel.options} == {"mixture.size", "seed", "gan", "data"}


def test_built_twice_it_is_the_same(sections):
    assert dashboard() == sections
