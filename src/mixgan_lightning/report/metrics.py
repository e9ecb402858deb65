"""metrics.csv as series over the images seen."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixgan_lightning import log_names

POINTS = 200  # of a drawn line: more cannot be seen, and would make the page large
LARGEST = 1e60  # beyond it nothing can be drawn; single precision ends at 3e38


@dataclass(frozen=True)
class Series:
    """The finite values of one log name.

    Args:
        seen: real images seen, shape (n,), ascending.
        values: shape (n,).
        left_out: values that were no (finite) numbers.
    """

    seen: NDArray[np.float64]
    values: NDArray[np.float64]
    left_out: int = 0

    @property
    def last(self) -> float:
        """The newest value."""
        return float(self.values[-1])

    def thinned(self) -> Series:
        """At most `POINTS` points, each the mean of equally many neighbours."""
        if len(self.seen) <= POINTS:
            return self
        parts = np.array_split(np.arange(len(self.seen)), POINTS)
        seen, values = (np.array([column[part].mean() for part in parts]) for column in (self.seen, self.values))
        return Series(seen, values, self.left_out)


Metrics = dict[str, Series]  # log name -> what was logged under it; only names with a value


def read_metrics(folder: Path, with_earlier: bool = True) -> Metrics:
    """All that a run logged, with its earlier parts; {} where it has logged nothing.

    A part that goes on from a checkpoint begins before the earlier one has ended: the later part counts.

    Args:
        folder: the run's.
        with_earlier: whether metrics.before_*.csv are parts of this run, which went on from a checkpoint.
    """
    points: dict[str, dict[float, float]] = {}
    for path in _parts(folder, with_earlier):
        part = _read(path)
        began = min((seen for column in part.values() for seen in column), default=math.inf)
        for name, earlier in points.items():
            points[name] = {seen: value for seen, value in earlier.items() if seen < began}
        for name, column in part.items():
            points.setdefault(name, {}).update(column)
    series = {name: _series(column) for name, column in points.items()}
    return {name: found for name, found in series.items() if len(found.seen)}


def _parts(folder: Path, with_earlier: bool) -> Iterator[Path]:
    """Oldest first."""
    earlier = folder.glob("metrics.before_*.csv") if with_earlier else ()
    yield from sorted(earlier, key=lambda path: int("0" + "".join(filter(str.isdigit, path.stem))))
    if (folder / "metrics.csv").is_file():
        yield folder / "metrics.csv"


def _read(path: Path) -> dict[str, dict[float, float]]:
    """Log name -> images seen -> value; a later row of as many images wins."""
    found: dict[str, dict[float, float]] = {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        for row in csv.DictReader(file):
            seen = _number(row.get(log_names.IMAGES_SEEN))
            if not math.isfinite(seen):
                continue
            for name, cell in row.items():
                if isinstance(cell, str) and cell.strip() and name != log_names.IMAGES_SEEN:
                    found.setdefault(name, {})[seen] = _number(cell)
    return found


def _number(cell: str | None) -> float:
    try:
        value = float(cell or "nan")
    except ValueError:
        return math.nan
    return value if abs(value) < LARGEST else math.nan


def _series(column: dict[float, float]) -> Series:
    seen = np.array(sorted(column))
    values = np.array([column[x] for x in seen])
    finite = np.isfinite(values)
    return Series(seen[finite], values[finite], int((~finite).sum()))
