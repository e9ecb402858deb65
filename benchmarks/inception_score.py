"""The inception score of 50,000 × 1,008 logits: time, peak memory and bytes synchronised, beside torchmetrics'.

    python benchmarks/inception_score.py                 # one thread, medians of 5 rounds, both in turn: two minutes

Each measurement is a process of its own, so that peak memory is that of one metric. The logits are drawn batch by
batch, as a network would give them, and their drawing is timed apart and taken off.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
import warnings
from statistics import median
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torchmetrics.image.inception import InceptionScore as TorchmetricsInceptionScore
from tqdm import tqdm

from mixgan_lightning.metrics import InceptionScore

CLASSES, SPLITS, BATCH = 1_008, 10, 512
METRICS = {"mixgan_lightning": InceptionScore, "torchmetrics": TorchmetricsInceptionScore}


class Cost(NamedTuple):
    seconds: float
    mebibytes: float  # of peak resident memory, above that of drawing the same logits
    kilobytes: float  # handed to the processes' group by one process
    score: float


def logits(samples: int) -> Any:
    """Batches of logits as peaked as a network's."""
    generator = torch.Generator().manual_seed(0)
    for start in range(0, samples, BATCH):
        yield 3 * torch.randn(min(BATCH, samples - start), CLASSES, generator=generator)


def measure(name: str, samples: int) -> Cost:
    """One metric over all samples; in a fresh process."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    begin = time.perf_counter()
    for _ in logits(samples):
        pass
    drawing = time.perf_counter() - begin
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    metric = METRICS[name](nn.Identity(), splits=SPLITS)
    begin = time.perf_counter()
    for batch in logits(samples):
        metric.update(batch)
    mean, _ = metric.compute()
    seconds = time.perf_counter() - begin - drawing
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return Cost(seconds, peak / 1024, synchronised(metric) / 1000, float(mean))


def synchronised(metric: Any) -> int:
    """Bytes of the tensors that a metric gathers from each process."""
    sent = []

    def gather(tensor: Tensor, group: Any = None) -> list[Tensor]:
        sent.append(tensor.nbytes)
        return [tensor]

    metric.sync(dist_sync_fn=gather, distributed_available=lambda: True)
    return sum(sent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    found: dict[str, list[Cost]] = {name: [] for name in METRICS}
    context = multiprocessing.get_context("spawn")
    for _ in tqdm(range(arguments.rounds), unit=" rounds"):
        for name in METRICS:  # in turn, so that a busy machine slows both
            with context.Pool(1) as pool:
                found[name].append(pool.apply(measure, (name, arguments.samples)))
    print(
        f"\n{arguments.samples:,} samples × {CLASSES:,} classes, {SPLITS} splits, one thread, "
        f"torch {torch.__version__}\n"
    )
    print("| | seconds | peak memory, MiB | synchronised, kB | score |\n| --- | ---: | ---: | ---: | ---: |")
    medians = {name: Cost(*map(median, zip(*costs, strict=True))) for name, costs in found.items()}
    for name, cost in medians.items():
        print(f"| {name} | {cost.seconds:.2f} | {cost.mebibytes:,.0f} | {cost.kilobytes:,.1f} | {cost.score:.6f} |")
    ours, theirs = medians.values()
    print(
        f"| ratio | {ours.seconds / theirs.seconds:.2f} | {ours.mebibytes / theirs.mebibytes:.3f} | "
        f"{ours.kilobytes / theirs.kilobytes:.5f} | |"
    )


if __name__ == "__main__":
    main()
