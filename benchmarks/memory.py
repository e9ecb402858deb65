"""How much memory a batch of a mixture takes, beyond its parameters: DCGAN 32×32, width 32, batch 64.

    python benchmarks/memory.py                        # two minutes on a CPU
    python benchmarks/memory.py --device cuda
    MALLOC_MMAP_THRESHOLD_=65536 python benchmarks/memory.py  # glibc gives back what is freed: what the networks take

Each row in a process of its own: the peak of the process (of the allocator, on a GPU) over two batches, less what was
in use before the first; behind it what a training estimates before its first step. Writes
`benchmarks/results/memory_DEVICE.json`.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import resource
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import contenders as c
import torch

from mixgan_lightning import memory

ROWS: dict[str, dict[str, Any]] = {
    "nested loops, by hand": {},
    "all pairs": {"fakes": "full"},
    "all pairs, recompute": {"fakes": "full", "recompute": True},
    "one judge a fake": {"fakes": "full", "judges": "one"},
    "split": {"fakes": "split"},
    "split, recompute": {"fakes": "split", "recompute": True},
}
SIZES = (1, 3, 5, 8)


def in_use(device: torch.device) -> float:
    """The peak so far, in MiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10  # Linux: KiB


def measure(row: str, size: int, device_type: str) -> tuple[float, float]:
    """MiB that two batches add, and how many were estimated; the loops by hand estimate nothing."""
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    device, networks = torch.device(device_type), partial(c.dcgan, 32)
    real = torch.randn(64, 3, 32, 32, device=device).tanh()
    if not ROWS[row]:
        game = c.NestedLoops(networks, size, device)
        before = in_use(device)
        game.step(real)
        game.step(real)
        return in_use(device) - before, 0.0
    model = c.ours(networks, size, **ROWS[row], evaluation="loop")
    c.timed_in_lightning(c.ours(networks, 1), real[:2], 1)  # Lightning's own imports
    before = in_use(device)
    found = list[memory.Need]()
    memory.need, need = lambda *args: found.append(need(*args)) or found[-1], memory.need
    c.timed_in_lightning(model, real, 2)
    return in_use(device) - before, (found[0].total - found[0].held) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    device = parser.parse_args().device
    found: dict[str, dict[int, list[int]]] = {}
    print("| MiB | " + " | ".join(f"T = {size}" for size in SIZES) + " |")
    print("| --- |" + " --- |" * len(SIZES))
    spawn = multiprocessing.get_context("spawn")
    for row in ROWS:
        found[row] = {}
        for size in SIZES:
            with spawn.Pool(1) as pool:
                found[row][size] = [round(mib) for mib in pool.apply(measure, (row, size, device))]
        cells = (f"{peak:,}" + (f" ({estimate:,})" if estimate else "") for peak, estimate in found[row].values())
        print(f"| {row} | " + " | ".join(cells) + " |", flush=True)
    path = Path(__file__).parent / "results" / f"memory_{device}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
