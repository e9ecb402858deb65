"""mixgan-train trainer=ddp_sim, as a user would run it: the command starts its second process itself."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mixgan_lightning import checkpoint, log_names

TINY = ("trainer=ddp_sim", "trainer.max_epochs=1", "mixture.size=2", "logger=csv")
FAILING = """
import os

import pytorch_lightning as pl


class Fail(pl.Callback):
    def __init__(self, rank, signum=None):
        self.rank, self.signum = rank, signum

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.global_rank == self.rank and trainer.fit_loop.total_batch_idx + 1 == 4:
            if self.signum is None:
                raise RuntimeError("it breaks here")
            os.kill(os.getpid(), self.signum)
"""
SHORT = (*TINY, "data=gaussians_ring", "callbacks/quality=none", "hydra.run.dir=run", "trainer.max_epochs=2")
SHORT = (*SHORT, "+trainer.limit_train_batches=3", "+callbacks.fail._target_=failing.Fail")
COMMANDS = {
    "bad": [*TINY, "data.batch_size=2000", "hydra.run.dir=run"],
    "breaks": [*SHORT, "+callbacks.fail.rank=1"],
    "killed": [*SHORT, "+callbacks.fail.rank=1", f"+callbacks.fail.signum={int(signal.SIGKILL)}"],
    "terminated": [*SHORT, "+callbacks.fail.rank=0", f"+callbacks.fail.signum={int(signal.SIGTERM)}"],
    "fine": [*TINY, "+trainer.limit_train_batches=2"],  # into outputs/, named by the time: another would have its own
}
IMPORTED = {"failing.py", "__pycache__"}
PATIENCE = 240  # seconds, of runs that share two cores with other work


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Exit code, stdout, stderr and folder of each command, none of which may hang; all at once: they mostly import."""
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "WORLD_SIZE")}
    environment |= {"COLUMNS": "80", "OMP_NUM_THREADS": "1"}
    started = {}
    for name, arguments in COMMANDS.items():
        folder = tmp_path_factory.mktemp(name)
        (folder / "failing.py").write_text(FAILING)
        command = [Path(sys.executable).parent / "mixgan-train", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started[name] = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **pipes), folder
    finished = {}
    try:
        for name, (process, folder) in started.items():
            out, err = process.communicate(timeout=PATIENCE)
            finished[name] = (process.returncode, out, err, folder)
    finally:
        for process, _ in started.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # and the process that it started
    return finished


def images_seen(folder):
    """By the checkpoint (batches × processes × 64), whose hash is looked at."""
    return checkpoint.read(folder / "run" / "checkpoints" / "last.ckpt")[checkpoint.KEY]["played"]["images_seen"]


def test_a_run_of_two_processes_leaves_one_folder_and_one_table(ran):
    code, out, _, folder = ran["fine"]
    assert code == 0
    assert out.count("MIX+ of 2") == 1
    assert out.count("inception score  ") == 1
    assert {path.name for path in folder.iterdir()} - IMPORTED == {"outputs"}
    (run,) = folder.glob("outputs/*/*")
    left = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {path for path in left if not path.startswith(".hydra")} == {
        "metrics.csv",
        "hparams.yaml",
        "results.json",
        "provenance.json",
        "report.html",
        "payoff/epoch_0001.csv",
        "checkpoints/last.ckpt",
        "checkpoints/last.ckpt.sha256",
        "samples/epoch_0001.png",
    }


def test_its_results_are_of_both_processes(ran):
    (run,) = ran["fine"][-1].glob("outputs/*/*")
    found = json.loads((run / "results.json").read_text())
    assert found["images_seen"] == 2 * 2 * 64  # processes, batches, images
    assert found["num_samples"] == 360
    assert found["real"][log_names.INCEPTION_SCORE_MEAN] == pytest.approx(9.48, abs=0.02)
    with (run / "metrics.csv").open() as file:
        logged = [row[log_names.INCEPTION_SCORE_MEAN] for row in csv.DictReader(file)]
    (score,) = filter(None, logged)
    assert float(score) == pytest.approx(found["mixture"][log_names.INCEPTION_SCORE_MEAN], rel=1e-6)


def test_a_data_error_ends_both_processes_with_a_readable_line(ran):
    code, out, err, folder = ran["bad"]
    assert code != 0
    assert "Traceback" not in out + err
    line = "mixgan-train: expected at least one batch of training data, 2000 samples for each of 2 processes, got 1437"
    assert any(said.startswith(line) for said in err.splitlines())
    assert {path.name for path in folder.iterdir()} - IMPORTED == {"run"}


def test_where_one_process_breaks_all_end_and_the_run_says_why(ran):
    code, _, err, folder = ran["breaks"]
    assert code == 1
    why = "process 1 failed: RuntimeError: it breaks here; so none goes on"
    assert f"mixgan-train: {why}" in err.splitlines()
    assert (folder / "run" / "failure.txt").read_text() == f"{why}\n"
    assert err.count("Traceback") == 1  # of the user's own error, on the process that has it
    assert images_seen(folder) == 3 * 2 * 64  # the first epoch


def test_where_one_process_is_killed_the_other_ends(ran):
    code, _, err, folder = ran["killed"]
    assert code != 0
    assert "another process is gone, without a word" in err or "Forcefully terminating" in err  # Lightning may be first
    assert images_seen(folder) == 3 * 2 * 64  # the first epoch


def test_sigterm_ends_both_processes_after_one_batch(ran):
    code, _, err, folder = ran["terminated"]
    assert code == 128 + signal.SIGTERM
    assert "mixgan-train: terminated; ckpt_path=run/checkpoints/last.ckpt goes on from here" in err.splitlines()
    assert "Traceback" not in err
    assert images_seen(folder) == 4 * 2 * 64


@pytest.mark.slow
def test_two_processes_go_on_as_if_they_had_not_been_stopped(ran, tmp_path):
    folder = ran["terminated"][-1]
    command, left = [Path(sys.executable).parent / "mixgan-train", *SHORT, "~callbacks.fail"], []
    for cwd, arguments in ((folder, ["ckpt_path=last"]), (tmp_path, [])):
        subprocess.run([*command, *arguments], cwd=cwd, check=True, timeout=PATIENCE)
        left.append(checkpoint.read(cwd / "run" / "checkpoints" / "last.ckpt"))
    for name, value in left[0]["state_dict"].items():
        assert torch.equal(value, left[1]["state_dict"][name]), name
    assert left[0]["loops"] == left[1]["loops"]
