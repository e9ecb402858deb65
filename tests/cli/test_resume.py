"""A training that is cut off and goes on ends as one that never was: bit for bit, in everything that is kept."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mixgan_lightning import checkpoint_file

CUT = """
import os

import pytorch_lightning as pl


class Cut(pl.Callback):
    def __init__(self, batch, signum, when="start"):
        self.batch, self.signum, self.when = batch, signum, when

    def cut(self, trainer, when):
        if when == self.when and trainer.fit_loop.total_batch_idx + 1 == self.batch:
            os.kill(os.getpid(), self.signum)

    def on_train_batch_start(self, trainer, *_):
        self.cut(trainer, "start")

    def on_before_optimizer_step(self, trainer, *_):
        self.cut(trainer, "step")

    def on_train_batch_end(self, trainer, *_):
        self.cut(trainer, "end")

    def on_train_epoch_end(self, trainer, *_):
        self.cut(trainer, "epoch")
"""
BATCHES, EPOCHS = 6, 3
SHORT = (
    "logger=csv",
    "trainer.accelerator=cpu",
    f"trainer.max_epochs={EPOCHS}",
    f"+trainer.limit_train_batches={BATCHES}",
    "trainer.log_every_n_steps=2",
    "threads=1",
    "mixture.size=2",
    "data.batch_size=16",
)
RING = ("data=gaussians_ring", "callbacks/quality=none")
DIGITS = ("callbacks/quality=none",)
SECONDS = ("seconds", "cpu_seconds", "images_per_second", "images_seen_before")
TERMINATED, INTERRUPTED = 143, 130


def cut(batch, signum, when="start"):
    options = {"_target_": "cutting.Cut", "batch": batch, "signum": int(signum), "when": when}
    return [f"+callbacks.cut.{name}={value}" for name, value in options.items()]


def differences(a, b, where=""):
    """Where two nested structures differ, for the message of a failing test."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [found for key in a for found in differences(a[key], b[key], f"{where}/{key}")]
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        pairs = enumerate(zip(a, b, strict=True))
        return [found for i, (x, y) in pairs for found in differences(x, y, f"{where}/{i}")]
    same = torch.equal(a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else a == b
    return [] if same else [where]


def kept(folder):
    """Of a run: its last checkpoint, what it measured, and its curves by batch."""
    contents = checkpoint_file.load(folder / "checkpoints" / "last.ckpt")
    for state in contents["callbacks"].values():
        state.pop("dirpath", None)  # two runs have folders of their own
        for name in ("best_model_path", "last_model_path", "kth_best_model_path", "best_k_models"):
            state.pop(name, None)
    results = json.loads((folder / "results.json").read_text())
    curves = {}
    for path in sorted(folder.glob("metrics*.csv")):
        for row in csv.DictReader(path.read_text().splitlines()):
            values = {name: value for name, value in row.items() if value and not name.startswith("speed/")}
            curves.setdefault(int(row["step"]), {}).update(values)
    return {
        "checkpoint": contents,
        "results": {name: value for name, value in results.items() if name not in SECONDS},
        "curves": curves,
    }


def check_same(folder, uninterrupted):
    found = differences(kept(folder), kept(uninterrupted))
    assert found == []


@pytest.fixture
def train(mixgan_train, tmp_path):
    """``train(folder, *arguments)``: the command; ``cut`` can be among its callbacks."""
    (tmp_path / "cutting.py").write_text(CUT)
    return lambda folder, *arguments: mixgan_train(*SHORT, f"hydra.run.dir={folder}", *arguments)


def go_on(train, arguments, batch, when="start"):
    """Cut off by SIGTERM at this batch, then again with ``ckpt_path=last``; compared with a run that was not."""
    stopped = train("cut_off", *arguments, *cut(batch, signal.SIGTERM, when))
    assert stopped.code == TERMINATED
    assert "mixgan-train: terminated; ckpt_path=cut_off/checkpoints/last.ckpt goes on from here" in stopped.err
    assert "Traceback" not in stopped.err
    again = train("cut_off", *arguments, "ckpt_path=last")
    assert again.code == 0, again.err
    assert "going on from" in again.out
    whole = train("whole", *arguments, "ckpt_path=last")
    assert whole.code == 0, whole.err
    assert "no checkpoint in whole yet: the training begins" in whole.out
    check_same(stopped.cwd / "cut_off", stopped.cwd / "whole")
    return stopped.cwd


GANS = {
    "points": RING,
    "points in pairs": (*RING, "mixture.fakes=full", "mixture.evaluation=loop"),
    "digits with scores": ("callbacks.quality.num_samples=64",),
    "dcgan": (*DIGITS, "gan=dcgan", "data.image_size=16", "gan.generator.width=4", "gan.discriminator.width=4"),
    "labels": (*DIGITS, "gan=cdcgan", "data.image_size=16", "gan.generator.width=4", "gan.discriminator.width=4"),
    "averages": (*RING, "callbacks=ema", "callbacks.ema.every_n_batches=4"),
    "several critics": (*RING, "gan=wgan_gp_mlp"),
    "one GAN": (*RING, "mixture=single", "mixture.size=1"),
}


SOME = ("points in pairs", "digits with scores", "labels", "averages")
OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in GANS if name not in SOME]


@pytest.mark.parametrize("name", [*SOME, *OTHERS])
def test_sigterm_ends_a_training_after_its_batch_and_it_goes_on_as_if_it_had_not(name, train):
    go_on(train, GANS[name], BATCHES + 3)


@pytest.mark.parametrize(
    ("batch", "when"),
    [
        (1, "start"),  # before the first step
        (3, "step"),  # between two players
        (5, "end"),
        (BATCHES, "start"),  # the last of an epoch
        (BATCHES + 1, "start"),  # the first of an epoch
        (BATCHES, "epoch"),  # between epochs
    ],
)
def test_it_may_be_cut_off_anywhere(batch, when, train):
    go_on(train, RING, batch, when)


def test_ctrl_c_ends_a_training_after_its_batch_too(train):
    stopped = train("run", *RING, *cut(4, signal.SIGINT))
    assert stopped.code == INTERRUPTED
    said = ["", "ending after this batch; Ctrl-C again: at once"]
    assert stopped.err.splitlines() == [
        *said,
        "mixgan-train: interrupted; ckpt_path=run/checkpoints/last.ckpt goes on from here",
    ]
    contents = checkpoint_file.load(stopped.cwd / "run" / "checkpoints" / "last.ckpt")
    assert contents["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["completed"] == 4


def test_a_second_ctrl_c_does_not_wait(train):
    twice = [f"+callbacks.again.{option.removeprefix('+callbacks.cut.')}" for option in cut(4, signal.SIGINT, "step")]
    stopped = train("run", *RING, *cut(4, signal.SIGINT), *twice)
    assert stopped.code == INTERRUPTED
    assert "ckpt_path=run/checkpoints/interrupted.ckpt goes on from here" in stopped.err
    assert not (stopped.cwd / "run" / "checkpoints" / "last.ckpt").exists()
    contents = checkpoint_file.load(stopped.cwd / "run" / "checkpoints" / "interrupted.ckpt")
    assert contents["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["completed"] == 3


@pytest.mark.parametrize(
    ("batch", "when"),
    [(BATCHES + 3, "start"), (BATCHES, "start"), pytest.param(BATCHES, "epoch", marks=pytest.mark.slow)],
)
def test_a_number_of_steps_is_kept_to(batch, when, train):
    go_on(train, (*RING, "trainer.max_epochs=-1", "trainer.max_steps=26"), batch, when)


def test_a_run_that_is_over_is_not_trained_again(train, tmp_path):
    """As a job is that was preempted after its last epoch, and started again: nothing in its folder changes."""
    assert train("run", *RING).code == 0
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file() and ".hydra" not in path.parts]
    before = {path: path.read_bytes() for path in files}
    ran = train("run", *RING, "ckpt_path=last")
    assert ran.code == 0
    line = f"nothing is left to train: {EPOCHS} epochs are done, results in run/results.json; set trainer.max_epochs"
    assert line in ran.out
    assert {path: path.read_bytes() for path in before} == before
    assert not list((tmp_path / "run").glob("*before*"))


def test_a_run_that_was_cut_off_after_its_last_epoch_is_measured(train, tmp_path):
    assert train("run", *RING).code == 0
    before = kept(tmp_path / "run")["checkpoint"]
    (tmp_path / "run" / "results.json").unlink()
    ran = train("run", *RING, "ckpt_path=last")
    assert ran.code == 0
    assert "nothing was left to train" in ran.out
    assert (tmp_path / "run" / "results.json").exists()
    assert differences(kept(tmp_path / "run")["checkpoint"], before) == []


def test_fewer_epochs_than_there_were_are_refused_before_anything_is_moved(train, tmp_path):
    assert train("run", *RING).code == 0
    ran = train("run", *RING, "ckpt_path=last", f"trainer.max_epochs={EPOCHS - 1}")
    assert ran.code == 1
    assert f"trainer.max_epochs={EPOCHS - 1}: expected at least the {EPOCHS} epochs that the checkpoint" in ran.err
    assert (tmp_path / "run" / "metrics.csv").exists()


def test_a_save_that_was_cut_off_leaves_the_checkpoint_before_it(train, tmp_path):
    whole = train("whole", *RING)
    assert whole.code == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "cut_off")
    folder = tmp_path / "cut_off" / "checkpoints"
    (folder / "last.ckpt").unlink()  # as between the two renames of a save
    (folder / ".part_0123").write_bytes(b"half of it")
    again = train("cut_off", *RING, "ckpt_path=last")
    assert again.code == 0, again.err
    check_same(tmp_path / "cut_off", tmp_path / "whole")
    assert {path.name for path in folder.iterdir()} == {
        name + end for name in ("last.ckpt", "last.previous.ckpt") for end in ("", ".sha256")
    }


def killed_and_gone_on(folder, whole, seed):
    """One process killed at a random moment of its training, another that goes on."""
    draw = random.Random(seed)
    batch, when = draw.randint(2, BATCHES * EPOCHS), draw.choice(["start", "step", "end"])
    every = draw.choice([None, 2, 5])
    arguments = [*SHORT, *RING, f"hydra.run.dir={folder}"]
    often = [] if every is None else [f"callbacks.checkpoint.every_n_batches={every}"]
    command = [Path(sys.executable).parent / "mixgan-train", *arguments, *often]
    killed = subprocess.run([*command, *cut(batch, signal.SIGKILL, when)], cwd=folder.parent, check=False)
    assert killed.returncode == -signal.SIGKILL, (batch, when)
    subprocess.run([*command, "ckpt_path=last"], cwd=folder.parent, check=True)
    check_same(folder, whole)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run in a process of its own that nothing has stopped, and the file that cuts others off beside it."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "cutting.py").write_text(CUT)
    command = [Path(sys.executable).parent / "mixgan-train", *SHORT, *RING, f"hydra.run.dir={folder / 'whole'}"]
    subprocess.run(command, cwd=folder, check=True, env=os.environ)
    return folder / "whole"


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_process_loses_nothing_but_time(seed, whole):
    killed_and_gone_on(whole.parent / f"run_{seed}", whole, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 20))
def test_killed_processes_lose_nothing_but_time(seed, whole):
    killed_and_gone_on(whole.parent / f"run_{seed}", whole, seed)
