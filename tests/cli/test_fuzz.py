"""Whatever is written on the command line, `mixgan-train` runs, or ends in one line that says what is wrong."""

import re
import shlex
import shutil
import signal
import time
from contextlib import contextmanager
from functools import cache

import pytest
from hydra import compose, initialize_config_module
from hypothesis import HealthCheck, Phase, assume, given, note, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from pytorch_lightning.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

from mixgan_lightning.cli.explain import alternatives

PATIENCE = 60  # seconds that a run of two batches may take
BUDGET = ("trainer.max_epochs", "trainer.max_time", "trainer.max_steps")  # one at a time: a long run is no fault
QUICK = ("mixture.size=2", 'trainer.max_time="00:00:00:05"')
SCENES = (  # what is composed, of which keys are taken
    (),
    ("gan=dcgan", "gan.generator.width=4", "gan.discriminator.width=4"),
    ("gan=wgan", "gan.generator.width=4", "gan.discriminator.width=4"),
    ("gan=csngan", "gan.generator.width=4", "gan.discriminator.width=4"),
    ("gan=wgan_gp_mlp", "data=gaussians_ring", "callbacks.quality.num_samples=100"),
    ("data=gaussians_grid", "callbacks=ema", "callbacks.quality.num_samples=100"),
    ("callbacks/quality=none", "callbacks/divergence=log", "callbacks.divergence.measure.steps=2"),
    ("mixture=independent5", "logger=default"),
)
NUMBERS = ("-1", "0", "1", "2", "7", "0.5", "1.0", "-0.5", "1e-400", "1e30", "nan", "inf", "-inf", "1_0", "010")
HUGE = ("1000000000", "1000000000000", "9223372036854775808", str(10**40))
WORDS = ("abc", "true", "no", "auto", "full", "loop", "ema", "16", "bf16-mixed", "münchen", '"über alles"', "x" * 300)
HOLES = ("", "null", '""', "???", "${seed}", "${nothing}", "'${'", "\\")
NESTS = ("[]", "[1]", "[0,-1]", "[abc,null]", "[[1,2],[3]]", "{}", "{a: 1}", "{_target_: builtins.dict}", "[1", "{a")
PROCESSES = ("trainer.devices", "trainer.num_nodes")  # of several Lightning would start some, and wait for others
SEVERAL = ("-1", "2", "7", "1_0", "010", "auto", "16", "[0,-1]")
OPTIONS = settings(  # not shrunk, which would take minutes: most examples are of one word
    derandomize=True, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
GROUPS = ("gan", "gan/optimizer", "data", "mixture", "trainer", "callbacks", "callbacks/quality", "logger")
LONG = re.compile("/|sgan|stacked_digits|ddp|inception|celeba|cifar10|mnist|mix.0")  # or of another group


@cache
def keys_of(scene):
    """The dotted keys of what a scene composes, by their first part: each part is as likely as any other."""
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        config = OmegaConf.to_container(compose("train", overrides=["logger=csv", *QUICK, *scene]), resolve=False)
    parts = {}
    for key in dotted(config):
        parts.setdefault(key.partition(".")[0], []).append(key)
    return parts


def dotted(config, prefix=""):
    for key, value in config.items() if isinstance(config, dict) else ():
        yield f"{prefix}{key}"
        yield from dotted(value, f"{prefix}{key}.")


@st.composite
def options(draw, scene):
    """key=value; the key is one that there is, now and then with a letter too few."""
    parts = keys_of(scene)
    key = draw(st.sampled_from(parts[draw(st.sampled_from(sorted(parts)))]))
    value = draw(st.sampled_from((NUMBERS, HUGE, WORDS, HOLES, NESTS)).flatmap(st.sampled_from))
    assume(key not in PROCESSES or value not in SEVERAL)
    assume((key, value) != ("verbose", "true"))  # which asks for the traceback
    return f"{draw(misspelt(key))}={value}"


@st.composite
def choices(draw):
    """group=name; the name is one that there is and is quick, or nothing of the kind."""
    group = draw(st.sampled_from(GROUPS))
    quick = sorted(name for name in alternatives(group) if not LONG.search(name))
    name = draw(st.one_of(st.sampled_from(quick).flatmap(misspelt), st.sampled_from((*HOLES, *NESTS, "3", "[a,b]"))))
    return f"{group}={name}"


@st.composite
def misspelt(draw, word):
    """Mostly as it is."""
    if draw(st.integers(0, 9)):
        return word
    i = draw(st.integers(0, len(word) - 1))
    return word[:i] + word[i + 1 :]


@st.composite
def command_lines(draw):
    """A scene, and one to four words that override it; one word most often, else each hides what the others do."""
    scene = draw(st.sampled_from(SCENES))
    word = st.one_of(options(scene), options(scene), options(scene), choices())
    words = draw(st.one_of(st.lists(word, min_size=1, max_size=1), st.lists(word, min_size=1, max_size=4)))
    assume(sum(word.startswith(BUDGET) for word in words) < 2)
    return [*QUICK, *scene, *words]


@contextmanager
def patience(seconds):
    """A run that takes longer fails; the timeout of the whole test is put back."""

    def over(*_):
        pytest.fail(f"it hangs, or is far too slow: {seconds} s")  # no Exception, which a command might explain

    before, since = signal.signal(signal.SIGALRM, over), time.monotonic()
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - since), 0.01) if left else 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def alone(monkeypatch):
    """No W&B, and no further processes, which would run this test again."""

    def refused(*_, **__):
        pytest.fail("further processes would be started")

    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setattr(_SubprocessScriptLauncher, "launch", refused)


def empty(folder):
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("examples", [25, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_any_override_runs_or_ends_in_one_line(examples, alone, tiny_train, tmp_path):
    @settings(OPTIONS, max_examples=examples)
    @given(words=command_lines())
    def holds(words):
        note(f"mixgan-train {shlex.join(words)}")
        empty(tmp_path)
        with patience(PATIENCE):
            ran = tiny_train(*words)
        lines = [line for line in ran.err.splitlines() if not re.match(r"\w*Warning: ", line)]
        assert "Traceback" not in ran.out + ran.err
        assert (ran.code, len(lines)) in ((0, 0), (1, 1)), ran.err
        assert all(line.startswith("mixgan-train: ") and len(line) < 1000 for line in lines), lines

    holds()
