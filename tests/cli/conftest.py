"""The commands, run in this process (starting Python and torch anew takes longer than most runs here)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Ran, run_command

from mixgan_lightning.cli import dashboard, evaluate, export, reproduce, sample, train

TINY = ("trainer.max_epochs=1", "+trainer.limit_train_batches=2", "hydra.run.dir=run", "trainer.accelerator=cpu")


@pytest.fixture
def mixgan_train(tmp_path):
    """``mixgan_train(*arguments)``: exactly these, in a folder of the test's own."""
    return lambda *arguments: run_command(train.main, "mixgan-train", arguments, tmp_path)


@pytest.fixture
def tiny_train(tmp_path):
    """``tiny_train(*arguments)``: two batches into ``run/``, CSV alone; the arguments have the last word."""
    return lambda *arguments: run_command(train.main, "mixgan-train", ["logger=csv", *TINY, *arguments], tmp_path)


@pytest.fixture
def mixgan_sample(tmp_path):
    return lambda *arguments: run_command(sample.main, "mixgan-sample", arguments, tmp_path)


@pytest.fixture
def mixgan_evaluate(tmp_path):
    return lambda *arguments: run_command(evaluate.main, "mixgan-evaluate", arguments, tmp_path)


@pytest.fixture
def mixgan_export(tmp_path):
    return lambda *arguments: run_command(export.main, "mixgan-export", arguments, tmp_path)


@pytest.fixture
def mixgan_reproduce(tmp_path):
    return lambda *arguments: run_command(reproduce.main, "mixgan-reproduce", arguments, tmp_path)


@pytest.fixture
def mixgan_dashboard(tmp_path):
    return lambda *arguments: run_command(dashboard.main, "mixgan-dashboard", arguments, tmp_path)


@pytest.fixture
def shell(tmp_path):
    """``shell(command, *arguments)``: in a process of its own, as a user would."""

    def run(command, *arguments):
        command = [Path(sys.executable).parent / command, *arguments]
        environment = os.environ | {"COLUMNS": "80"}
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        return Ran(ran.returncode, ran.stdout, ran.stderr, tmp_path)

    return run


@pytest.fixture(scope="session")
def run_of(tmp_path_factory):
    """``run_of(*arguments)``: the folder of a tiny run with these, made once."""
    made = {}

    def run(*arguments):
        if arguments not in made:
            folder = tmp_path_factory.mktemp("run_of")
            ran = run_command(train.main, "mixgan-train", ["logger=csv", *TINY, *arguments], folder)
            assert ran.code == 0, ran.err
            made[arguments] = folder / "run"
        return made[arguments]

    return run


@pytest.fixture
def one_line():
    """``one_line(ran, command="mixgan-train")``: the line that a failing command ended with, its only one."""

    def line_of(ran, command="mixgan-train"):
        assert ran.code == 1
        assert "Traceback" not in ran.out + ran.err
        (line,) = ran.err.splitlines()
        assert line.startswith(f"{command}: ")
        assert len(line) < 700
        return line

    return line_of
