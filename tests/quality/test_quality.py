"""What mixing must reach, over seeds: the README's table holds the same runs beside the single GANs."""

import json
import subprocess
import sys
from statistics import mean

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SEEDS = (1, 2, 3)
INCEPTION_SCORE = "quality/inception_score/mean"
MODES = "quality/modes"


@pytest.fixture
def results(tmp_path):
    """``results(experiment)``: results.json of one run per seed."""

    def run(experiment):
        found = []
        for seed in SEEDS:
            folder = tmp_path / f"{seed}"
            options = [f"experiment={experiment}", f"seed={seed}", f"hydra.run.dir={folder}", "logger=csv", "threads=1"]
            subprocess.run([sys.executable, "-m", "mixgan_lightning.cli.train", *options], check=True, cwd=tmp_path)
            found.append(json.loads((folder / "results.json").read_text()))
        return found

    return run


@pytest.mark.parametrize(("experiment", "share"), [("digits/mix5", 0.87), ("digits/mix20", 0.94)])
def test_a_mixture_reaches_a_share_of_real_digits_inception_score_on_every_seed(results, experiment, share):
    for run in results(experiment):
        assert run["mixture"][INCEPTION_SCORE] >= share * run["real"][INCEPTION_SCORE]


def test_a_mixture_covers_the_ring_on_every_seed(results):
    assert [run["mixture"][MODES] for run in results("ring/mix5_full")] == [8] * len(SEEDS)


@pytest.mark.parametrize("experiment", ["grid/mix5_full", "grid/mix10"])
def test_a_mixture_covers_the_grid_on_average(results, experiment):
    assert mean(run["mixture"][MODES] for run in results(experiment)) >= 24


def test_a_single_gan_of_the_same_seconds_does_not(results):
    assert mean(run["mixture"][MODES] for run in results("grid/plain_equal_time")) <= 20
