"""A table of final measurements: a row an experiment, mean ± sd over seeds, and real data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from mixgan_lightning.reproduce.cost_picture import Cost, write_costs
from mixgan_lightning.reproduce.reproduction import (
    NOT_MEASURED,
    NOT_RUN,
    NOTHING,
    Page,
    Reproduction,
    beside,
    embedded,
    markdown_table,
)
from mixgan_lightning.reproduce.runs import Outcome, Ran
from mixgan_lightning.reproduce.table_picture import write_table
from mixgan_lightning.spread import Spread

TIMES = {"seconds": "seconds (median)", "cpu_seconds": "CPU seconds (median)"}  # of results.json


@dataclass(frozen=True)
class Column:
    """One measured value: its heading, and digits after the point."""

    heading: str
    digits: int


class ResultsTable(Reproduction):
    """Writes stem.md, stem.png, stem_by_seconds.png, and stem.json with the values of every run.

    Seconds are medians: one run that shared the machine would distort a mean.

    Args:
        columns: log name -> the arguments of `Column`; the first is the one that the paper gives.
        papers_real: the paper's number for real data.
        others: of `Reproduction`.
    """

    def __init__(
        self, *, columns: Mapping[str, Mapping[str, Any]], papers_real: str | None = None, **others: Any
    ) -> None:
        super().__init__(**others)
        self.columns = {name: Column(**column) for name, column in columns.items()}
        self.papers_real = papers_real

    def page(self, ran: Sequence[Ran], stem: Path) -> Page:
        """Table, picture, values."""
        rows = [self._head(), *map(self._row, ran), self._real_row(ran)]
        picture, values = beside(stem, ".png"), beside(stem, ".json")
        write_table(picture, rows, self.title, self.measured(ran), pale=(NOT_RUN, NOT_MEASURED, NOTHING))
        values.write_text(json.dumps(self._values(ran), indent=1) + "\n", encoding="utf-8")
        pictures = [picture, *self._draw_costs(ran, beside(stem, "_by_seconds.png"))]
        body = "\n\n".join([markdown_table(rows), *(embedded(drawn, self.title) for drawn in pictures)])
        return Page(body, [*pictures, values], self._unmeasured(ran))

    def _draw_costs(self, ran: Sequence[Ran], path: Path) -> list[Path]:
        """The first value over the seconds; nothing to see with fewer than two rows."""
        name, column = next(iter(self.columns.items()))
        costs = [
            Cost(one.entry.label, median(times), Spread.of(values))
            for one in ran
            if (values := _measured(one.finished, name)) and (times := _times(one.finished, "cpu_seconds"))
        ]
        if len(costs) < 2:
            return []
        write_costs(path, costs, self.title, column.heading, _real(ran).get(name))
        return [path]

    def _with_paper(self, cells: list[str], papers: str | None) -> list[str]:
        """The paper's number stands beside ours, where it has any."""
        first, *others = cells
        return [first, papers or NOTHING, *others] if any(entry.paper for entry in self.entries) else cells

    def _head(self) -> list[str]:
        headings = [column.heading for column in self.columns.values()]
        return ["", *self._with_paper(headings, f"paper, {self.data}"), *TIMES.values(), "seeds"]

    def _row(self, ran: Ran) -> list[str]:
        found, asked = len(ran.finished), len(ran.outcomes)
        cells = [self._cell(ran.finished, name, column) for name, column in self.columns.items()]
        times = [_median(ran.finished, name) for name in TIMES]
        seeds = f"{found}" if found == asked else f"{found} of {asked}"
        return [ran.entry.label, *self._with_paper(cells, ran.entry.paper), *times, seeds]

    def _cell(self, finished: Sequence[Outcome], name: str, column: Column) -> str:
        values = _measured(finished, name)
        return Spread.of(values).said(column.digits) if values else NOT_MEASURED if finished else NOT_RUN

    def _real_row(self, ran: Sequence[Ran]) -> list[str]:
        real = _real(ran)
        cells = [f"{real[name]:.{of.digits}f}" if name in real else NOTHING for name, of in self.columns.items()]
        return ["real data", *self._with_paper(cells, self.papers_real), *["" for _ in TIMES], ""]

    def _unmeasured(self, ran: Sequence[Ran]) -> list[str]:
        """A line for each value that finished runs lack."""
        return [
            f"{one.entry.label}: {NOT_MEASURED}: no {name} in the results of {one.entry.name}"
            for one in ran
            for name in self.columns
            if one.finished and len(_measured(one.finished, name)) < len(one.finished)
        ]

    def _values(self, ran: Sequence[Ran]) -> dict[str, Any]:
        return {
            "title": self.title,
            "columns": {name: asdict(column) for name, column in self.columns.items()},
            "rows": [self._row_values(one) for one in ran],
            "real": _real(ran),
            "papers_data": self.data,
            "papers_real": self.papers_real,
        }

    def _row_values(self, ran: Ran) -> dict[str, Any]:
        values = {name: _measured(ran.finished, name) for name in self.columns}
        return {
            **asdict(ran.entry),
            "values": {name: asdict(Spread.of(found)) for name, found in values.items() if found},
            "runs": [
                {"seed": outcome.run.seed}
                | (outcome.results if outcome.failure is None else {"not_run": outcome.failure})
                for outcome in ran.outcomes
            ],
        }


def _measured(finished: Sequence[Outcome], name: str) -> list[float]:
    found = [outcome.results["mixture"] for outcome in finished]
    return [values[name] for values in found if name in values]


def _median(finished: Sequence[Outcome], name: str) -> str:
    found = _times(finished, name)
    return f"{median(found):.0f}" if found else NOTHING


def _times(finished: Sequence[Outcome], name: str) -> list[float]:
    return [outcome.results[name] for outcome in finished if name in outcome.results]


def _real(ran: Sequence[Ran]) -> dict[str, float]:
    """Every run measures the same real data; a stream of points is drawn anew by each."""
    found: dict[str, list[float]] = {}
    for one in ran:
        for outcome in one.finished:
            for name, value in outcome.results["real"].items():
                found.setdefault(name, []).append(value)
    return {name: mean(values) for name, values in found.items()}
