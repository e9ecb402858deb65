"""What stands on the page of a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from mixgan_lightning import log_names
from mixgan_lightning.report.bands import bands, keys
from mixgan_lightning.report.comparison import by_size
from mixgan_lightning.report.numbers import short, spreads
from mixgan_lightning.report.run import RunFiles
from mixgan_lightning.report.samples import Sample, corner
from mixgan_lightning.report.summary import Row, Summary, brief
from mixgan_lightning.report.svg import Key

PAGE = "report.html"
MOST_SAMPLES, BYTES_OF_ALL = 24, 400_000  # configs whose samples are shown
ARROWS = {"max": " ↑", "min": " ↓"}


@dataclass(frozen=True)
class Cell:
    """A measured value."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Line:
    """A row of the table."""

    key: Key  # its line in the figures
    options: tuple[str, ...]
    seeds: str
    cells: tuple[Cell, ...]
    seconds: str


@dataclass(frozen=True)
class Link:
    """A run, and its page where there is one."""

    name: str
    href: str | None
    says: str


def sweep_page(summary: Summary) -> dict[str, Any]:
    """The template's variables."""
    runs = [run for row in summary.rows for run in row.runs]
    finished = [run for run in runs if run.reason is None]
    return {
        "summary": summary,
        "subject": _common([run.subject for run in runs]),
        "runs": len(runs),
        "finished": len(finished),
        "headings": [_heading(summary, name) for name in summary.names],
        "lines": _lines(summary),
        "real": [short(summary.real[name]) if name in summary.real else "–" for name in summary.names],
        "bands": bands(summary),
        "keys": keys(summary.rows),
        "sizes": by_size(summary),
        "samples": _samples(summary),
        "links": [_link(run, summary) for run in runs],
    }


def _heading(summary: Summary, name: str) -> str:
    return log_names.title(name) + ARROWS.get(log_names.BEST.get(name, ""), "")


def _lines(summary: Summary) -> list[Line]:
    columns = [_column(summary, name) for name in summary.names]
    return [
        Line(
            key=key,
            options=tuple(brief(row.options[name]) for name in summary.options),
            seeds=_seeds(row),
            cells=tuple(column[i] for column in columns),
            seconds="–" if row.cpu_seconds is None else short(row.cpu_seconds),
        )
        for i, (row, key) in enumerate(zip(summary.rows, keys(summary.rows), strict=True))
    ]


def _column(summary: Summary, name: str) -> list[Cell]:
    """A measured value of all rows."""
    best, values = summary.best(name), [row.values.get(name) for row in summary.rows]
    texts = iter(spreads([value for value in values if value is not None]))
    return [
        Cell("–") if value is None else Cell(next(texts), best is row)
        for row, value in zip(summary.rows, values, strict=True)
    ]


def _seeds(row: Row) -> str:
    done, asked = len(row.finished), len(row.runs)
    return f"{done}" if done == asked else f"{done} of {asked}"


def _samples(summary: Summary) -> list[tuple[str, Sample]]:
    """The newest picture of each config's first finished run."""
    shown = [(row.label, run.samples) for row in summary.rows for run in row.finished[:1] if run.samples][:MOST_SAMPLES]
    pictures = [(label, corner(paths[-1], BYTES_OF_ALL // max(len(shown), 6))) for label, paths in shown]
    return [(label, picture) for label, picture in pictures if picture is not None]


def _link(run: RunFiles, summary: Summary) -> Link:
    """Relative, so that the folder can be moved."""
    name = run.folder.relative_to(summary.folder).as_posix()
    href = f"./{quote(name)}/{PAGE}" if (run.folder / PAGE).is_file() else None
    return Link(name, href, " ".join(run.overrides) or run.title)


def _common(subjects: list[tuple[str, ...]]) -> tuple[str, ...]:
    """What all runs share."""
    return tuple(part for part in subjects[0] if all(part in subject for subject in subjects))
