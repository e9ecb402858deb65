"""The commands, run in this process (starting Python and torch anew takes longer than most runs here)."""

import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from mixgan_lightning.cli import dashboard, evaluate, export, reproduce, sample, train

TINY = ("trainer.max_epochs=1", "+trainer.limit_train_batches=2", "hydra.run.dir=run", "trainer.accelerator=cpu")


@dataclass
class Ran:
    """What a command left: its exit code, what it printed, where it ran."""

    code: int
    out: str
    err: str
    cwd: Path


@contextlib.contextmanager
def _warnings_on(stream):
    """What a fresh Python would print of warnings (pytest takes them to itself)."""
    with warnings.catch_warnings(record=True) as said:
        warnings.resetwarnings()
        warnings.simplefilter("always")
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        try:
            yield
        finally:
            stream.writelines(f"{warning.category.__name__}: {warning.message}\n" for warning in said)


def run_command(main, name, arguments, cwd):
    """As ``name arguments`` in a shell at ``cwd``; what the command changes of the process is put back."""
    before = os.getcwd(), sys.argv, sys.path[:], dict(os.environ), set(sys.modules), signal.getsignal(signal.SIGINT)
    levels = {
        name: logging.getLogger(name).level for name in ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero")
    }
    out, err, code = io.StringIO(), io.StringIO(), 0
    os.chdir(cwd)
    sys.argv = [name, *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _warnings_on(err):
            main()
    except SystemExit as stop:
        code = stop.code
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        os.chdir(before[0])
        sys.argv, sys.path[:] = before[1], before[2]
        os.environ.clear()
        os.environ.update(before[3])
        for module in set(sys.modules) - before[4]:  # the user's own, of another test's folder by the next run
            if Path(getattr(sys.modules[module], "__file__", None) or "/").is_relative_to(cwd):
                del sys.modules[module]
        signal.signal(signal.SIGINT, before[5])
        for logger, level in levels.items():
            logging.getLogger(logger).setLevel(level)
        torch.set_num_threads(1)
    return Ran(code, out.getvalue(), err.getvalue(), Path(cwd))


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
