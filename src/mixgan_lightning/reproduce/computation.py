"""A table and a figure of what is computed over sizes and seeds, without trainings."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from tqdm import tqdm

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.options import check_count
from mixgan_lightning.reproduce.reproduction import Page, Reproduction, beside, embedded, markdown_table
from mixgan_lightning.reproduce.runs import Ran, seeds_said
from mixgan_lightning.reproduce.size_picture import write_sizes
from mixgan_lightning.reproduce.theorems import Measurement
from mixgan_lightning.spread import Spread

DIGITS = 3  # of all values, after the point
PACKAGES = ("mixgan-lightning", "torch", "scipy")  # what the values come from

Values = Mapping[int, Mapping[str, Sequence[float]]]  # size -> heading -> a value for each seed


class Computation(Reproduction):
    """Writes stem.md, stem.png, and stem.csv with the value of every size and seed.

    Args:
        title: above it.
        measurement: what is measured at one size with one seed.
        sizes: rows of the table, from left to right in the figure.
        seeds: mean and sd are over them.
        conditions: lines that say how it is measured, beside the measurement's own.

    Raises:
        ConfigurationError: a measurement that is none; sizes that are not whole numbers of at least 1, or none.
    """

    def __init__(
        self,
        title: str,
        measurement: Measurement,
        sizes: Sequence[int],
        seeds: Sequence[int],
        conditions: Sequence[str] = (),
    ) -> None:
        if not isinstance(measurement, Measurement):
            raise ConfigurationError(f"measurement: expected a Measurement, got {type(measurement).__name__}")
        if not isinstance(sizes, list | tuple) or not sizes:
            raise ConfigurationError(f"sizes: expected a list of whole numbers, as [50,200], got {sizes!r}")
        super().__init__(title, experiments=(), conditions=conditions)
        self.measurement, self.seeds = measurement, tuple(seeds)
        self.sizes = sorted({check_count("sizes", size) for size in sizes})

    def page(self, ran: Sequence[Ran], stem: Path) -> Page:
        """Table, figure, values."""
        began = time.process_time()
        values = self._values()
        seconds = f"{time.process_time() - began:.0f} CPU seconds"
        picture, numbers = beside(stem, ".png"), beside(stem, ".csv")
        curves = _spreads(values)
        write_sizes(picture, curves, self.title, self.measurement)
        self._write_numbers(numbers, values)
        body = "\n\n".join([markdown_table(self._rows(curves)), embedded(picture, self.title)])
        return Page(body, [picture, numbers], conditions=[f"{seconds}, {_versions()}"])

    def measured(self, ran: Sequence[Ran]) -> list[str]:
        """Seeds, and what the measurement tells."""
        over = f"mean ± sd over {seeds_said(self.seeds)}" if len(self.seeds) > 1 else seeds_said(self.seeds)
        return [over, *self.measurement.conditions(), *self.conditions]

    def _values(self) -> Values:
        """A bar tells how far it is."""
        values: dict[int, dict[str, list[float]]] = {size: {} for size in self.sizes}
        with tqdm(total=len(self.seeds) * len(self.sizes), unit="value", leave=False, disable=None) as bar:
            for seed in self.seeds:
                for size in self.sizes:
                    bar.set_description_str(f"{self.measurement.size_name} = {size:,}, seed {seed}")
                    for heading, value in self.measurement.measure(size, seed).items():
                        values[size].setdefault(heading, []).append(value)
                    bar.update()
        return values

    def _rows(self, curves: Mapping[str, Mapping[int, Spread]]) -> list[list[str]]:
        head = [self.measurement.size_name, *curves]
        return [head, *([f"{size:,}", *(of[size].said(DIGITS) for of in curves.values())] for size in self.sizes)]

    def _write_numbers(self, path: Path, values: Values) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["size", "seed", *values[self.sizes[0]]])
            for size, columns in values.items():
                writer.writerows([size, seed, *of] for seed, *of in zip(self.seeds, *columns.values(), strict=True))


def _spreads(values: Values) -> dict[str, dict[int, Spread]]:
    """Heading -> size -> mean and sd."""
    curves: dict[str, dict[int, Spread]] = {}
    for size, columns in values.items():
        for heading, found in columns.items():
            curves.setdefault(heading, {})[size] = Spread.of(found)
    return curves


def _versions() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{torch.get_num_threads()} thread(s); Python {sys.version.split()[0]}, {packages}"
