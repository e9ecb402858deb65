"""What --help promises, and what README and docs show, works."""

import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module

from mixgan_lightning.cli.dashboard import hydra_words as dashboard_words
from mixgan_lightning.cli.reproduce import hydra_words

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
GROUPS = sorted(
    folder.relative_to(CONF).as_posix()
    for folder in CONF.rglob("*")
    if any(folder.glob("*.yaml")) and "hydra" not in folder.parts
)


@pytest.fixture
def train_help(mixgan_train, tmp_path):
    ran = mixgan_train("--help")
    assert (ran.code, ran.err) == (0, "")
    assert not list(tmp_path.iterdir())
    return ran.out


def test_help_lists_every_group_with_its_alternatives(train_help):
    for group in GROUPS:
        alternatives = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
        assert f"\n{group}: {', '.join(alternatives)}\n" in train_help, group


def test_help_lists_what_can_be_measured(train_help, mixgan_evaluate):
    for group in ("callbacks/quality", "callbacks/divergence", "callbacks/equilibrium"):
        alternatives = ", ".join(sorted(path.stem for path in (CONF / group).glob("*.yaml")))
        assert f"\n{group}: {alternatives}\n" in train_help
    assert "callbacks/quality=NAME (mixgan-train --help lists" in mixgan_evaluate("--help").out


def test_help_of_an_evaluation_lists_its_options(mixgan_evaluate, tmp_path):
    shown = mixgan_evaluate("--help").out
    for option in ("ckpt_path: null", "images: null", "out: evaluation", "seed: 0", "weights: null", "device: null"):
        assert f"\n{option}\n" in shown
    assert not list(tmp_path.iterdir())


def test_help_lists_every_option(train_help):
    for option in ("size: 5", "max_epochs:", "batch_size: 64", "ckpt_path: null", "seed: 0", "lr: "):
        assert option in train_help


@pytest.mark.parametrize(
    "command",
    ["mixgan-train", "mixgan-sample", "mixgan-evaluate", "mixgan-export", "mixgan-reproduce", "mixgan-dashboard"],
)
def test_help_fits_into_100_columns_and_shows_examples(command, request):
    ran = request.getfixturevalue(command.replace("-", "_"))("--help")
    assert ran.code == 0
    many = ("experiment/", "reproduction: ", "gan: ", "data: ")  # alternatives, as many as there are
    lines = [line for line in ran.out.splitlines() if not line.startswith(many)]
    assert max(map(len, lines)) <= 100
    assert ran.out.startswith(command)
    assert ran.out.count(f"  {command}") >= 3
    assert "Options\n" in ran.out or "options" in ran.out
    assert (CONF / f"{command.removeprefix('mixgan-')}.yaml").exists()
    assert "$" not in re.sub(r"\$\{[a-z_.:]+\}", "", ran.out)  # no placeholder of the template is left


def composed(words, config_name):
    """The config of a command line; ``a|b`` stands for either."""
    if config_name == "reproduce":
        words = [word for word in hydra_words(words) if "NAME" not in word]  # a placeholder
        with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
            return compose(config_name, overrides=words)
    words = dashboard_words(words) if config_name == "dashboard" else words
    words = [word for word in words if word not in ("-m", "--help")]
    overrides = [
        f"{key}={value.split(',')[0].split('|')[0]}" for key, _, value in (word.partition("=") for word in words)
    ]
    overrides = [word for word in overrides if not word.startswith("hydra.")]
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        return compose(config_name, overrides=overrides)


def test_the_most_used_options_exist(train_help):
    lines = train_help.split("Most used options\n")[1].split("\n\n")[0]
    options = lines.split()
    assert len(options) >= 8
    for option in options:
        composed([option], "train")


def shown_commands():
    """Each ``mixgan-…`` line of a code block in README, docs and --help."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((CONF / "hydra/help").iterdir())):
        text = path.read_text()
        blocks = re.findall(r"^```.*?$(.*?)^```", text, re.M | re.S) if path.suffix == ".md" else [text]
        for line in "\n".join(blocks).splitlines():
            found = re.match(
                r"\s*(?:pip install \.\s*&& )?(mixgan-(?:train|sample|evaluate|export|reproduce|dashboard)) (.*)", line
            )
            if found and "searchpath" not in line:
                words = shlex.split(re.split(r"  +| #", found[2])[0].replace("…", "etc"))
                yield pytest.param(
                    found[1].removeprefix("mixgan-"), words, id=f"{path.name}: {found[1]} {' '.join(words)}"
                )


@pytest.mark.parametrize(("config_name", "words"), list(shown_commands()))
def test_commands_that_are_shown_compose(config_name, words):
    composed(words, config_name)


def test_commands_are_shown_at_all():
    assert len(list(shown_commands())) >= 5
    assert {parameters.values[0] for parameters in shown_commands()} == {
        "train",
        "sample",
        "evaluate",
        "export",
        "reproduce",
        "dashboard",
    }


def test_the_shell_completes_groups_and_options(shell, monkeypatch):
    ran = shell("mixgan-train", "-sc", "install=bash")
    assert "complete -o nospace -o default -F hydra_bash_completion mixgan-train" in ran.out
    for typed, completed in (("gan=dc", "gan=dcgan"), ("mixture.si", "mixture.size=")):
        line = f"mixgan-train {typed}"
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line)))
        assert shell("mixgan-train", "-sc", "query=bash").out.split() == [completed]
