"""What logging costs a step of DCGAN: nothing logged, every batch, and what follows for every 50th, the default.

    python benchmarks/logging_cost.py

MIX+ of 5 of DCGAN 32×32, width 32, batch 64, split, with CSV and W&B offline and the callbacks that log whenever the
module does (weights, images a second). CPU milliseconds a batch on one thread, W&B's own threads among them; medians of
rounds in turn. Prints a table and writes `benchmarks/results/logging_cost.json`.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import contenders as c
import pytorch_lightning as pl
import torch
import wandb
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import DataLoader
from tqdm import tqdm

from mixgan_lightning.callbacks import MixtureMonitor, SpeedMonitor
from mixgan_lightning.loggers import wandb_logger

EVERY = 50  # batches, mixgan-train's default


def timed(real: torch.Tensor, batches: int, every: int | None) -> float:
    """Milliseconds a batch, with the values of every so many logged; None: no logger at all."""
    watch = c.Stopwatch(c.clock(real.device))
    callbacks = [watch, *([MixtureMonitor(), SpeedMonitor()] if every else [])]
    with tempfile.TemporaryDirectory() as folder:
        logged: dict[str, Any] = {"logger": False}
        if every is not None:
            logged = {"logger": [CSVLogger(folder), wandb_logger(folder)], "log_every_n_steps": every}
        trainer = pl.Trainer(
            max_epochs=1, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            accelerator="cpu", devices=1, callbacks=callbacks, **logged,
        )  # fmt: skip
        trainer.fit(c.ours(partial(c.dcgan, 32), 5, fakes="split"), DataLoader([real] * (batches + 3), batch_size=None))
        wandb.finish()
    return 1000 * (watch.marks[-1] - watch.marks[2]) / (len(watch.marks) - 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=6)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in ("pytorch_lightning", "lightning.pytorch", "wandb"):
        logging.getLogger(name).setLevel(logging.ERROR)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    real = torch.randn(64, 3, 32, 32).tanh()
    contenders = {
        "nothing logged": partial(timed, real, arguments.batches, None),
        "every batch": partial(timed, real, arguments.batches, 1),
    }
    with tqdm(total=arguments.rounds * len(contenders), leave=False) as progress:
        ms = c.interleaved(contenders, arguments.rounds, progress)
    plain, each = ms.values()
    every = plain + (each - plain) / EVERY
    print("| | ms a batch | more |\n| --- | --- | --- |")
    for name, t in {**ms, f"every {EVERY}th, from these": every}.items():
        print(f"| {name} | {t:.1f} | {t / plain - 1:+.2%} |")
    path = Path(__file__).parent / "results" / "logging_cost.json"
    path.write_text(json.dumps({"ms": ms, "every_50th": every, "more": every / plain - 1}, indent=1) + "\n")


if __name__ == "__main__":
    main()
