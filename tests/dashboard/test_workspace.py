"""The workspace that W&B would get, built without it."""

import json
import re
import sys
import unicodedata

import pytest
import wandb

from mixgan_lightning import log_names
from mixgan_lightning.dashboard import dashboard
from mixgan_lightning.dashboard.panels import Panel, Section
from mixgan_lightning.dashboard.workspace import MissingLibraryError, as_json, pattern, save, workspace
from mixgan_lightning.errors import ConfigurationError, MixGANError


@pytest.fixture
def built():
    pytest.importorskip("wandb_workspaces")
    return workspace(dashboard(3), "me", "digits", "Mixtures of GANs")


@pytest.fixture
def sent(built):
    """The sections, as JSON."""
    return json.loads(as_json(built))["section"]["panelBankConfig"]["sections"]


def configs(sent, view_type):
    return [panel["config"] for section in sent for panel in section["panels"] if panel["viewType"] == view_type]


def test_it_serialises_offline(built):
    view = built._to_model()
    assert (view.entity, view.project, view.display_name) == ("me", "digits", "Mixtures of GANs")


def test_built_twice_it_is_the_same(built):
    again = workspace(dashboard(3), "me", "digits", "Mixtures of GANs")
    assert again._to_model() == built._to_model()
    assert as_json(again) == as_json(built)


def test_no_two_panels_are_taken_for_one(sent):
    names = [panel["__id__"] for section in sent for panel in section["panels"]]
    assert len(set(names)) == len(names) == sum(len(section.panels) for section in dashboard(3))


def test_sections_and_titles_are_the_specifications(sent):
    told = [(section.title, section.is_open) for section in dashboard(3)]
    assert [(section["name"], section["isOpen"]) for section in sent] == told
    titles = [panel.title for section in dashboard(3) for panel in section.panels if panel.kind != "table"]
    assert [p["config"]["chartTitle"] for s in sent for p in s["panels"] if p["viewType"] != "Weave"] == titles


def test_curves_are_over_images_seen(sent, built):
    curves = configs(sent, "Run History Line Plot")
    assert len(curves) > 20
    assert {curve["xAxis"] for curve in curves} == {"images_seen"}
    assert {section["localPanelSettings"]["xAxis"] for section in sent} == {"images_seen"}
    assert json.loads(as_json(built))["section"]["settings"]["xAxis"] == "images_seen"


def test_every_key_is_in_the_workspace(built):
    text = as_json(built)
    for section in dashboard(3):
        for panel in section.panels:
            for key in panel.keys:
                assert key.replace("{i}", "[0-9]+") in text, key


@pytest.mark.parametrize("i", [0, 7, 19])
def test_patterns_match_every_component_and_nothing_else(i, sent, known):
    patterns = [curve["metricRegex"] for curve in configs(sent, "Run History Line Plot") if "metricRegex" in curve]
    keys = {key.replace("{i}", str(i)) for key in known if "{i}" in key}
    matched = [key for key in keys for found in patterns if re.search(found, key)]
    measures = [name for name in log_names.TITLES if not name.endswith("/std")]
    of_players = 2 * 2  # weights, and those in the matrix's equilibrium
    assert len(matched) == len(set(matched)) == len(patterns) == len(measures) + of_players
    assert not [key for key in known if "{i}" not in key for found in patterns if re.search(found, key)]


def test_a_pattern_is_of_whole_keys():
    found = pattern(["a/{i}/b", "c"])
    assert [bool(re.search(found, key)) for key in ("a/12/b", "c", "a//b", "a/1/b/c", "x/c", "cc")] == [
        1,
        1,
        0,
        0,
        0,
        0,
    ]


def test_a_deviation_is_a_curve_on_either_side(sent):
    (score, _) = (c["expressions"] for c in configs(sent, "Run History Line Plot") if "expressions" in c)
    mean, sd = "${quality/inception_score/mean}", "${quality/inception_score/std}"
    assert score == [f"{mean} - {sd}", mean, f"{mean} + {sd}"]


def test_options_of_runs_are_looked_up_in_their_config(sent):
    """W&B keeps a nested option under its first name's value."""
    assert configs(sent, "Bar Chart")[0]["groupBy"] == "mixture.value.size"
    assert {scatter["xAxis"] for scatter in configs(sent, "Scatter Plot")} == {
        "config:mixture.value.size",
        "config:seed.value",
    }
    (parallel,) = configs(sent, "Parallel Coordinates Plot")
    columns = [column["accessor"] for column in parallel["columns"]]
    assert columns == [
        *("config:mixture.value.size", "config:seed.value", "config:gan.value", "config:data.value"),
        f"summary:{log_names.OBJECTIVE}",
    ]


@pytest.mark.parametrize("name", ["MIX+GAN", "a = b", "5 ×", "🙂", "5 $"])
def test_a_name_that_wandb_refuses_is_refused_in_words(name):
    wr = pytest.importorskip("wandb_workspaces.workspaces")
    with pytest.raises(ConfigurationError, match="W&B takes no symbols in it, got"):
        workspace([], "me", "digits", name)
    with pytest.raises(ValueError, match="Emojis"):
        wr.Workspace("me", "digits", name=name)


def test_names_of_every_other_kind_are_taken():
    pytest.importorskip("wandb_workspaces")
    name = "".join(chr(n) for n in range(32, 0x180) if unicodedata.category(chr(n))[0] != "S")
    assert workspace([], "me", "digits", name).name == name


def test_a_panel_of_an_unknown_kind_is_a_mistake_of_ours():
    pytest.importorskip("wandb_workspaces")

    class Own(Panel):
        kind = "own"

    with pytest.raises(TypeError, match="Own"):
        workspace([Section("Own", (Own("own", ("own",)),))], "me", "digits", "name")


def test_without_the_library_one_line_says_what_to_install(monkeypatch):
    for name in ["wandb_workspaces", *(name for name in sys.modules if name.startswith("wandb_workspaces"))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingLibraryError) as raised:
        workspace(dashboard(), "me", "digits", "name")
    assert str(raised.value) == ("dashboards need the package wandb-workspaces: pip install '.[dashboard]'")


REFUSALS = [
    (wandb.errors.UsageError("No API key configured."), "not logged in to W&B: run `wandb login`"),
    (wandb.errors.AuthenticationError("Failed to verify"), "Failed to verify; .*`wandb login --relogin`"),
    (Exception("project not found\n"), "W&B: project not found; is there a project me/digits"),
]


@pytest.mark.parametrize(("refusal", "message"), REFUSALS)
def test_what_wandb_refuses_is_told_with_what_mends_it(refusal, message, built, monkeypatch):
    def refuse(_):
        raise refusal

    monkeypatch.setattr(wandb, "setup", lambda _: None)
    monkeypatch.setattr(type(built), "save", refuse)
    with pytest.raises(MixGANError, match=message):
        save(built)
