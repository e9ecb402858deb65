"""After a sweep, whatever became of its runs: summary.json, a table and the report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mixgan_lightning import log_names
from mixgan_lightning.cli.report import written
from mixgan_lightning.errors import MixGANError
from mixgan_lightning.report import Summary, summarise
from mixgan_lightning.report.numbers import short as brief_number
from mixgan_lightning.report.numbers import spreads
from mixgan_lightning.report.summary import brief

MISSING = "–"


class SweepFolder(Callback):
    """Remembers where the sweep that has begun in this process lies."""

    begun: Path | None = None

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Hydra's call, before the first run."""
        SweepFolder.begun = Path(config.hydra.sweep.dir)


@contextmanager
def told_at_the_end() -> Iterator[None]:
    """After a sweep, also one with failed runs or an interrupted one: summary.json, a table and the report.

    Raises:
        SystemExit: with 1, where a run has failed.
    """
    SweepFolder.begun = None
    summary: Summary | None = None
    try:
        yield
    except ValueError as error:
        if "No trials are completed yet" not in str(error):  # Optuna's, where all have failed
            raise
    finally:
        folder = SweepFolder.begun
        if folder is not None and folder.exists():
            summary = _told(folder)
    if summary is not None and summary.failures:
        raise SystemExit(1)


def _told(folder: Path) -> Summary | None:
    try:
        summary = summarise(folder)
    except MixGANError:  # no run has got as far as a folder
        return None
    (folder / "summary.json").write_text(json.dumps(summary.as_json(), indent=2) + "\n", encoding="utf-8")
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print()
    console.print(table(summary))
    for failure in summary.failures:
        console.print(f"run {failure.run}: {failure.reason}")
    console.print(f"summary  {folder / 'summary.json'}")
    if report := written(folder):
        console.print(f"report   {report}")
    return summary


def table(summary: Summary) -> Table:
    """A row for each config: mean ± sd over its seeds, the best value of each column bold."""
    shown = Table(title=f"sweep of {sum(len(row.runs) for row in summary.rows)} runs", title_justify="left")
    for option in summary.options:
        shown.add_column(Text(option.rpartition(".")[2]), overflow="fold")
    shown.add_column("seeds", justify="right")
    names = summary.names[:3]  # what fits beside the options
    for name in names:
        shown.add_column(log_names.title(name), justify="right", min_width=11)
    shown.add_column("CPU s", justify="right")
    columns = [_column(summary, name) for name in names]
    for k, row in enumerate(summary.rows):
        options = [Text(brief(row.options.get(option, MISSING))) for option in summary.options]
        seconds = MISSING if row.cpu_seconds is None else brief_number(row.cpu_seconds)
        shown.add_row(*options, str(len(row.finished)), *(column[k] for column in columns), seconds)
    if summary.real:
        real = [brief_number(summary.real[name]) if name in summary.real else "" for name in names]
        shown.add_section()
        shown.add_row("real data", *[""] * len(summary.options), *real, "")
    return shown


def _column(summary: Summary, name: str) -> list[Text]:
    measured = [row for row in summary.rows if name in row.values]
    texts = dict(zip(map(id, measured), spreads([row.values[name] for row in measured]), strict=True))
    best = summary.best(name)
    said = (texts.get(id(row), MISSING) for row in summary.rows)
    return [Text(text, "bold" if row is best else "") for row, text in zip(summary.rows, said, strict=True)]
