import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

WORKER = Path(__file__).with_name("distributed_worker.py")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distributed")
    workers = [subprocess.Popen([sys.executable, "-W", "ignore", WORKER, str(rank), folder]) for rank in range(2)]
    try:
        assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("shards", ["uneven", "empty"])
@pytest.mark.parametrize("metric", ["inception", "coverage", "distance", "classes"])
def test_every_process_returns_the_score_of_all_samples(results, shards, metric):
    alone = runpy.run_path(str(WORKER))["scores"](slice(0, 41))
    for rank in range(2):
        assert results[rank][shards][metric] == pytest.approx(alone[metric], abs=1e-12)
