"""What a batch of a mixture costs: nested loops, loops batched by hand, single GANs, this package in each of its ways.

    python benchmarks/step.py                          # one CPU thread, all cases: about half an hour
    python benchmarks/step.py --cases points split     # some of them
    python benchmarks/step.py --device cuda            # on a GPU

Milliseconds a batch (both players), medians of rounds in which all contenders are timed in turn. Prints a table a case
and writes `benchmarks/results/step_DEVICE.json`.

* nested loops, by hand: plain PyTorch, bare; all of "by hand" have no Trainer, no logger and no dataloader;
* this package: `mix(…)` under `pl.Trainer` with a logger, every 50th batch logged, timed with all of Lightning's work;
* a single GAN: by hand, and as a LightningModule that logs its losses.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import contenders as c
import numpy as np
import torch
from tqdm import tqdm

from mixgan_lightning.penalties import R1, GradientPenalty

BATCH = 64
POINTS, IMAGES = (2,), (3, 32, 32)
WAYS = ("loop", "concat", "vectorised")
Contenders = dict[str, Callable[[], float]]


class Case:
    """Contenders of one kind of networks.

    Args:
        networks: builds (generator, discriminator).
        shape: of a sample.
        batches: timed in each round.
        device: where.
    """

    def __init__(self, networks: c.Networks, shape: tuple[int, ...], batches: int, device: torch.device) -> None:
        self.networks, self.batches, self.device = networks, batches, device
        self.real = torch.randn(BATCH, *shape, device=device).tanh()

    def by_hand(self, kind: type[c.Bare], size: int) -> Callable[[], float]:
        return partial(c.timed_bare, kind(self.networks, size, self.device), self.real, self.batches)

    def ours(self, size: int, **options: Any) -> Callable[[], float]:
        return lambda: c.timed_in_lightning(c.ours(self.networks, size, **options), self.real, self.batches)

    def single_in_lightning(self) -> Callable[[], float]:
        return lambda: c.timed_in_lightning(c.PlainLightningGAN(self.networks), self.real, self.batches)


def all_pairs_of_points(device: torch.device) -> Iterator[tuple[str, Contenders]]:
    """Tiny networks, all pairs."""
    for width in (32, 64):
        case = Case(partial(c.points, width), POINTS, 100, device)
        for size in (5, 8):
            yield (
                f"points, width {width}, T = {size}, all pairs",
                {
                    "nested loops": case.by_hand(c.NestedLoops, size),
                    "batched by hand": case.by_hand(c.HandBatched, size),
                    **{f"ours, {way}": case.ours(size, fakes="full", evaluation=way) for way in WAYS},
                    "ours, auto": case.ours(size, fakes="full"),
                },
            )


def all_pairs_of_images(width: int, device: torch.device) -> Iterator[tuple[str, Contenders]]:
    """DCGAN, all pairs."""
    for size in (3, 5, 8):
        case = Case(partial(c.dcgan, width), IMAGES, 2, device)
        yield (
            f"DCGAN 32×32, width {width}, T = {size}, all pairs",
            {
                "nested loops": case.by_hand(c.NestedLoops, size),
                "ours, loop": case.ours(size, fakes="full", evaluation="loop"),
                "ours, auto": case.ours(size, fakes="full"),
            },
        )


def split(device: torch.device) -> Iterator[tuple[str, Contenders]]:
    """The generators share each batch: growth with T."""
    for title, case, by_hand in (
        ("points, width 32", Case(partial(c.points, 32), POINTS, 100, device), c.HandBatchedSplit),
        ("DCGAN 32×32, width 32", Case(partial(c.dcgan, 32), IMAGES, 2, device), None),
    ):
        yield (
            f"{title}, split",
            {
                "a single GAN": case.by_hand(c.PlainGAN, 1),
                "a single GAN, Lightning": case.single_in_lightning(),
                **({"T = 5, batched by hand": case.by_hand(by_hand, 5)} if by_hand else {}),
                **{f"T = {size}, ours, auto": case.ours(size, fakes="split") for size in (1, 2, 3, 5, 8, 12, 16)},
                "T = 5, ours, loop": case.ours(5, fakes="split", evaluation="loop"),
            },
        )


def lightning(device: torch.device) -> Iterator[tuple[str, Contenders]]:
    """What Lightning and the logging add, and a mixture of one beside a single GAN."""
    for title, case in (
        ("points, width 32", Case(partial(c.points, 32), POINTS, 100, device)),
        ("DCGAN 32×32, width 32", Case(partial(c.dcgan, 32), IMAGES, 5, device)),
    ):
        yield (
            f"{title}, one GAN",
            {
                "a single GAN": case.by_hand(c.PlainGAN, 1),
                "a single GAN, Lightning": case.single_in_lightning(),
                "nested loops, T = 1": case.by_hand(c.NestedLoops, 1),
                "ours, T = 1": case.ours(1, fakes="full"),
            },
        )


def penalties(device: torch.device) -> Iterator[tuple[str, Contenders]]:
    """Penalties on input gradients, of one discriminator after another and of all at once."""
    case = Case(partial(c.points, 64), POINTS, 100, device)
    for penalty in (R1(), GradientPenalty()):
        for fakes in ("full", "split"):
            yield (
                f"points, width 64, T = 5, {type(penalty).__name__}, {fakes}",
                {
                    f"ours, {way}": case.ours(5, penalty=penalty, fakes=fakes, evaluation=way)
                    for way in ("loop", "vectorised")
                },
            )


CASES = {
    "points": all_pairs_of_points,
    "lightning": lightning,
    "split": split,
    "penalties": penalties,
    "images": partial(all_pairs_of_images, 32),
    "wide_images": partial(all_pairs_of_images, 64),
}


def growth(ms: dict[str, float]) -> str:
    """A line through the times over T."""
    times = {int(name.split()[2].rstrip(",")): t for name, t in ms.items() if name.endswith("ours, auto")}
    slope, start = np.polyfit(list(times), list(times.values()), 1)
    worst = max(abs(start + slope * size - t) / t for size, t in times.items())
    return f"{start:.2f} + {slope:.2f} T ms, within {worst:.0%}"


def table(title: str, ms: dict[str, float]) -> str:
    first = next(iter(ms.values()))
    rows = [f"| {name} | {t:.2f} | {t / first:.2f} |" for name, t in ms.items()]
    return "\n".join([f"### {title}", f"| | ms a batch | of {next(iter(ms))} |", "| --- | --- | --- |", *rows])


def machine(device: torch.device) -> dict[str, str]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "device": name,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cpus": str(os.cpu_count()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    path = Path(__file__).parent / "results" / f"step_{device.type}.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    print(f"{machine(device)}, one thread, batch {BATCH}, medians of {arguments.rounds} rounds\n")
    for name in arguments.cases:
        for title, timed in CASES[name](device):
            with tqdm(total=arguments.rounds * len(timed), desc=title, leave=False) as progress:
                ms = c.interleaved(timed, arguments.rounds, progress)
            found[title] = {"ms": {key: round(t, 3) for key, t in ms.items()}, **machine(device)}
            print(table(title, ms), flush=True)
            if name == "split":
                found[title]["growth"] = growth(ms)
                print(f"\ngrowth: {found[title]['growth']}")
            print()
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
