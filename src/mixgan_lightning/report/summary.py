"""A sweep in numbers: what its runs measured, over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import yaml

from mixgan_lightning import log_names
from mixgan_lightning.report.run import RunFiles
from mixgan_lightning.spread import Spread


@dataclass(frozen=True)
class Row:
    """The runs of one config, but for their seeds."""

    options: Mapping[str, str]  # those that differ in this sweep
    runs: tuple[RunFiles, ...]  # all of them, whatever came of them

    @property
    def finished(self) -> list[RunFiles]:
        """Those with results."""
        return [run for run in self.runs if run.reason is None]

    @property
    def label(self) -> str:
        """In words."""
        return " ".join(f"{key}={brief(value)}" for key, value in self.options.items()) or self.runs[0].title

    @property
    def size(self) -> int | None:
        """T."""
        return self.runs[0].size

    @property
    def kind(self) -> str | None:
        """Which module plays it, where it is not ``MixGANModule``."""
        return self.runs[0].kind

    @property
    def seeds(self) -> list[int | None]:
        """Of the finished runs."""
        return [run.seed for run in self.finished]

    @property
    def values(self) -> dict[str, Spread]:
        """Every measured value over the seeds; those that are no numbers left out."""
        return {name: Spread.of(values) for name, values in _gathered(self.finished, "mixture").items()}

    @property
    def cpu_seconds(self) -> float | None:
        """Median: one run that shared the machine would distort a mean."""
        found = [run.results["cpu_seconds"] for run in self.finished if "cpu_seconds" in run.results]
        return median(found) if found else None

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        values = {name: asdict(value) for name, value in self.values.items()}
        runs = [{"run": run.folder.name, "seed": run.seed, "values": run.measured("mixture")} for run in self.finished]
        return {
            "options": {key: yaml.safe_load(value) for key, value in self.options.items()},  # numbers as numbers
            "seeds": self.seeds,
            "runs": runs,
            "values": values,
            "cpu_seconds": self.cpu_seconds,
        }


@dataclass(frozen=True)
class Failure:
    """A run that did not end well."""

    run: str  # its folder, within the sweep's
    reason: str


@dataclass(frozen=True)
class Summary:
    """A sweep in numbers."""

    folder: Path
    asked: tuple[str, ...]  # what the user typed
    rows: tuple[Row, ...]  # in the order of their first runs
    failures: tuple[Failure, ...]
    objective: str | None  # log name of what is compared

    @property
    def options(self) -> list[str]:
        """The names of those that differ."""
        return list(dict.fromkeys(key for row in self.rows for key in row.options))

    @property
    def names(self) -> list[str]:
        """Log names of the measured values, the objective's first."""
        found = dict.fromkeys(name for row in self.rows for name in row.values)
        return sorted(found, key=lambda name: name != self.objective)

    @property
    def is_of_one_task(self) -> bool:
        """Whether all runs are on the same data: values of others are not compared."""
        return len({run.data for row in self.rows for run in row.runs}) == 1

    @property
    def real(self) -> dict[str, float]:
        """Real data's values: the same in every run, or of points drawn anew by each; {} where the data differ."""
        if not self.is_of_one_task:
            return {}
        runs = [run for row in self.rows for run in row.finished]
        return {name: mean(values) for name, values in _gathered(runs, "real").items()}

    def best(self, name: str) -> Row | None:
        """The row of the best mean; None where nothing can be compared, or where it is not known what is better."""
        measured = [row for row in self.rows if name in row.values]
        if name not in log_names.BEST or len(measured) < 2 or not self.is_of_one_task:
            return None
        choose = max if log_names.BEST[name] == "max" else min
        return choose(measured, key=lambda row: row.values[name].mean)

    def as_json(self) -> dict[str, Any]:
        """For a file: rows, failures, real data, and what is compared."""
        return {
            "objective": self.objective,
            "rows": [row.as_json() for row in self.rows],
            "real": self.real,
            "failures": [asdict(failure) for failure in self.failures],
        }


def brief(option: str) -> str:
    """A sampler draws sixteen digits; four say it.

    Example:
        >>> brief("0.04134759007834719"), brief("1e-4"), brief("mix5")
        ('0.04135', '1e-4', 'mix5')
    """
    try:
        return option if len(option) < 8 else f"{float(option):.4g}"
    except ValueError:
        return option


def _gathered(runs: Sequence[RunFiles], of: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for run in runs:
        for name, value in run.measured(of).items():
            if math.isfinite(value):
                found.setdefault(name, []).append(value)
    return found
