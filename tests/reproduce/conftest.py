"""Runs that were never trained: files of known values where trainings would have left theirs."""

import csv
import json
import sys

import pytest

from mixgan_lightning.reproduce import Entry, Outcome, Run
from mixgan_lightning.reproduce.runs import Ran

RESULTS = {"mixture": {}, "real": {}, "num_samples": 360, "seconds": 30.0, "cpu_seconds": 20.0, "device": "cpu"}

FAKE = """
import json, os, sys, time
from pathlib import Path

words = dict(word.split("=", 1) for word in sys.argv[1:])
folder = Path(words["hydra.run.dir"].strip('"'))
behaviour = words["experiment"]
(folder / "pid").write_text(str(os.getpid()))
print("epoch 1: something", flush=True)
if behaviour == "slow":
    time.sleep(60)
if behaviour == "killed":
    os.kill(os.getpid(), 9)
if behaviour == "without_data":
    sys.exit("mixgan-train: there is no data at /data")
if behaviour == "crashes":
    raise RuntimeError("what nobody expected")
if behaviour != "forgets":
    said = {"mixture": {}, "real": {}, "threads": os.environ["OMP_NUM_THREADS"], "words": sys.argv[1:]}
    (folder / "results.json").write_text(json.dumps(said))
"""


@pytest.fixture
def fake_training(tmp_path, monkeypatch):
    """Trainings are processes that do what the name of their experiment says."""
    (tmp_path / "fake.py").write_text(FAKE)
    monkeypatch.setattr("mixgan_lightning.reproduce.runs.PROGRAM", (sys.executable, str(tmp_path / "fake.py")))


@pytest.fixture
def finished(tmp_path):
    """``finished(experiment, seed, mixture={}, real={}, curve=None, **results)``: the outcome of a run with these."""

    def make(experiment="a", seed=1, mixture=(), real=(), curve=None, **results):
        run = Run(experiment, seed, tmp_path / experiment / f"seed_{seed}")
        run.folder.mkdir(parents=True)
        run.results_path.write_text(json.dumps(RESULTS | {"mixture": dict(mixture), "real": dict(real)} | results))
        if curve is not None:
            with (run.folder / "metrics.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, sorted({key for row in curve for key in row}))
                writer.writeheader()
                writer.writerows(curve)
        return Outcome(run)

    return make


@pytest.fixture
def failed(tmp_path):
    """``failed(experiment, seed, message)``: the outcome of a run that ended with this."""
    return lambda experiment="a", seed=1, message="no data": Outcome(Run(experiment, seed, tmp_path), message)


@pytest.fixture
def ran():
    """``ran(label, *outcomes, **entry)``: an entry and what came of it."""
    return lambda label, *outcomes, **entry: Ran(
        Entry(outcomes[0].run.experiment if outcomes else "a", label, **entry), outcomes
    )
