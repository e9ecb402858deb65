"""Whether a long training keeps what it takes of the machine: memory, open files and threads, every 100 batches.

    python benchmarks/soak.py                              # 60,000 batches of digits: ten minutes on a CPU
    python benchmarks/soak.py --batches 10000 -- gan=dcgan logger=csv       # options of mixgan-train

`mixgan-train` as it is, in this process, with one callback more: MIX+ of 5, its pictures, payoff matrices, scores and
checkpoints every 40 epochs, CSV and W&B offline. Resident memory is noted once garbage is collected and the allocator
has given back what is free: it keeps some MB for itself, now more and now less (`--untrimmed` leaves it alone). After a
warm-up of a fifth, a line is laid through the means of twenty stretches (what lies side by side is alike: single
samples would make the interval too narrow), and its slope said per 1,000 batches with its 95 % interval. Linux only.
Prints a table and writes `benchmarks/results/soak.json`; exit status 1 where the memory grows.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import math
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from mixgan_lightning.cli import train

EVERY = 100  # batches
EPOCH = 22  # batches of digits
STRETCHES, T_975 = 20, 2.101  # Student's quantile of 18 degrees of freedom
FLAT = 0.5  # MB per 1,000 batches: the interval must end below it, a gigabyte in two million batches
NAMES = {
    "memory": "resident memory, MB",
    "others": "W&B's process, MB",
    "files": "open files",
    "threads": "threads",
}
PROC = Path("/proc")
LIBC = ctypes.CDLL("libc.so.6")


class Watch(pl.Callback):
    """Notes what the process has in use."""

    def __init__(self) -> None:
        self.samples: list[dict[str, float]] = []
        self.trim = True

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        batches = trainer.fit_loop.total_batch_idx + 1
        if batches % EVERY == 0:
            self.samples.append({"batches": batches, **in_use(self.trim)})


WATCH = Watch()  # one for the process: Hydra asks `watch` for it


def watch() -> Watch:
    return WATCH


def in_use(trim: bool) -> dict[str, float]:
    """Of this process; and the memory of those that it has started."""
    own = PROC / "self"
    if trim:
        gc.collect()
        LIBC.malloc_trim(0)
    return {
        "memory": resident(own),
        "others": sum(map(resident, started_by(own))),
        "files": len(os.listdir(own / "fd")),
        "threads": len(os.listdir(own / "task")),
    }


def resident(process: Path) -> float:
    """In MB."""
    try:
        return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:  # it has ended
        return 0.0


def started_by(process: Path) -> list[Path]:
    ids = [number for children in process.glob("task/*/children") for number in children.read_text().split()]
    return [PROC / number for number in ids]


def slope(batches: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Per 1,000 batches, and half its 95 % interval: least squares on the means of `STRETCHES` stretches."""
    x, y = (np.array([part.mean() for part in np.array_split(column, STRETCHES)]) for column in (batches, values))
    x = (x - x.mean()) / 1000
    rate = (x @ y) / (x @ x)
    rest = y - y.mean() - rate * x
    return float(rate), float(T_975 * math.sqrt(rest @ rest / (STRETCHES - 2) / (x @ x)))


def summary(samples: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Of each quantity: after the warm-up, at the end, the largest, and the slope between."""
    warm = samples[len(samples) // 5 :]
    batches = np.array([sample["batches"] for sample in warm])
    found = {}
    for name in NAMES:
        values = np.array([float(sample[name]) for sample in warm])
        rate, half = slope(batches, values)
        found[name] = {
            "warm": round(values[0], 1), "end": round(values[-1], 1), "most": round(values.max(), 1),
            "per_1000": round(rate, 4), "interval": round(half, 4),
        }  # fmt: skip
    return found


def trained(batches: int, options: list[str]) -> None:
    """One run of the command, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = [
            "mixgan-train", f"trainer.max_epochs={math.ceil(batches / EPOCH)}", "threads=1", f"hydra.run.dir={folder}",
            f"+callbacks.soak._target_={__name__}.watch", *options,
        ]  # fmt: skip
        train.main()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=60_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "soak.json")
    parser.add_argument("--untrimmed", action="store_true", help="leave the allocator alone")
    parser.add_argument("options", nargs="*", help="of mixgan-train")
    arguments = parser.parse_args()
    WATCH.trim = not arguments.untrimmed
    trained(arguments.batches, arguments.options)
    found = summary(WATCH.samples)
    print("| | after the warm-up | at the end | most | per 1,000 batches |\n| --- | --- | --- | --- | --- |")
    for name, of in found.items():
        rate = f"{of['per_1000']:+.3f} ± {of['interval']:.3f}"
        print(f"| {NAMES[name]} | {of['warm']:g} | {of['end']:g} | {of['most']:g} | {rate} |")
    flat = all(found[name]["per_1000"] + found[name]["interval"] < FLAT for name in ("memory", "others"))
    print("flat" if flat else f"it grows: expected less than {FLAT:g} MB per 1,000 batches")
    setting = {"command": arguments.options, "torch": torch.__version__, "python": platform.python_version()}
    arguments.out.write_text(json.dumps({**setting, "flat": flat, "summary": found, "samples": WATCH.samples}) + "\n")
    sys.exit(0 if flat else 1)


if __name__ == "__main__":
    main()
