"""mixgan-train trainer=ddp_sim, as a user would run it: the command starts its second process itself."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mixgan_lightning import log_names

TINY = ("trainer=ddp_sim", "trainer.max_epochs=1", "mixture.size=2", "logger=csv")
COMMANDS = {
    "bad": [*TINY, "data.batch_size=2000", "hydra.run.dir=run"],
    "fine": [*TINY, "+trainer.limit_train_batches=2"],  # into outputs/, named by the time: another would have its own
}
PATIENCE = 120  # seconds, of runs that share two cores


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Exit code, stdout, stderr, seconds and folder of each command; all at once, since they mostly import."""
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCAL_RANK", "WORLD_SIZE")}
    environment |= {"COLUMNS": "80", "OMP_NUM_THREADS": "1"}
    started, start = {}, time.perf_counter()
    for name, arguments in COMMANDS.items():
        folder = tmp_path_factory.mktemp(name)
        command = [Path(sys.executable).parent / "mixgan-train", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started[name] = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **pipes), folder
    finished = {}
    try:
        for name, (process, folder) in started.items():
            out, err = process.communicate(timeout=PATIENCE)
            finished[name] = (process.returncode, out, err, time.perf_counter() - start, folder)
    finally:
        for process, _ in started.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # and the process that it started
    return finished


def test_a_run_of_two_processes_leaves_one_folder_and_one_table(ran):
    code, out, _, _, folder = ran["fine"]
    assert code == 0
    assert out.count("MIX+ of 2") == 1
    assert out.count("inception score  ") == 1
    assert [path.name for path in folder.iterdir()] == ["outputs"]
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
    code, out, err, seconds, folder = ran["bad"]
    assert code != 0
    assert seconds < PATIENCE / 2
    assert "Traceback" not in out + err
    line = "mixgan-train: expected at least one batch of training data, 2000 samples for each of 2 processes, got 1437"
    assert any(said.startswith(line) for said in err.splitlines())
    assert [path.name for path in folder.iterdir()] == ["run"]
