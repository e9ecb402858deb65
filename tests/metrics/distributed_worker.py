"""One of two processes of test_distributed.py: python distributed_worker.py RANK FOLDER."""

import sys
from pathlib import Path

import torch
from torch import distributed, nn

from mixgan_lightning.metrics import ClassCoverage, InceptionScore, ModeCoverage, NearestNeighbourDistance

CENTERS = torch.tensor([[0.0, 0.0], [3.0, 0.0]])


def scores(rows: slice) -> dict[str, list[float]]:
    """Every metric over these rows of one fixed sample set, and its sum over processes if there are more."""
    samples = 2 * torch.randn(41, 2, generator=torch.Generator().manual_seed(0))
    index = torch.arange(41)
    inception, coverage = InceptionScore(nn.Identity(), splits=3), ModeCoverage(CENTERS, 0.5)
    distance, classes = NearestNeighbourDistance(CENTERS), ClassCoverage()
    if len(samples[rows]):  # a process without samples never calls update
        inception.update(samples[rows], index[rows])
        coverage.update(samples[rows])
        distance.update(samples[rows])
        classes.update(samples[rows])
    computed = {
        "inception": inception.compute(),
        "coverage": coverage.compute(),
        "distance": [distance.compute()],
        "classes": classes.compute(),
    }
    return {name: [float(value) for value in values] for name, values in computed.items()}


if __name__ == "__main__":
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    distributed.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=2)
    shards = {"uneven": (slice(0, 30), slice(30, 41)), "empty": (slice(0, 41), slice(0, 0))}
    torch.save({name: scores(rows[rank]) for name, rows in shards.items()}, folder / f"{rank}.pt")
    distributed.destroy_process_group()
