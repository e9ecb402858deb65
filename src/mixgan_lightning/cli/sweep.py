"""After a sweep, whatever became of its runs: summary.json, a table and the report."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from mixgan_lightning import log_names
from mixgan_lightning.errors import MixGANError
from mixgan_lightning.report import Summary, summarise, write_report
from mixgan_lightning.report.summary import brief
from mixgan_lightning.reproduce.spread import Spread

MISSING = "–"


class SweepFolder(Callback):
    """Remembers where the sweep that has begun in this process lies."""

    begun: Path | None = None

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Hydra's call, before the first run."""
        SweepFolder.begun = Path(config.hydra.sweep.dir)


@contextmanager
def told_at_the_end() -> Iterator[None]:
    """After a sweep, also one with failed runs or an interrupted one: summary.json, a table and the report."""
    SweepFolder.begun = None
    try:
        yield
    finally:
        folder = SweepFolder.begun
        if folder is not None and folder.exists():
            _tell(folder)


def _tell(folder: Path) -> None:
    try:
        summary = summarise(folder)
        (folder / "summary.json").write_text(json.dumps(summary.as_json(), indent=2) + "\n", encoding="utf-8")
        console = Console()
        console.print()
        console.print(table(summary))
        for failure in summary.failures:
            console.print(f"run {failure.run} failed: {failure.reason}", highlight=False, soft_wrap=True, markup=False)
        console.print(f"summary  {folder / 'summary.json'}", highlight=False, soft_wrap=True)
        console.print(f"report   {write_report(folder)}", highlight=False, soft_wrap=True)
    except MixGANError as error:  # no run has got as far as a folder
        print(f"mixgan-train: no report of the sweep: {error}", file=sys.stderr)


def table(summary: Summary) -> Table:
    """A row for each config: mean ± sd over its seeds, the best value of each column bold."""
    shown = Table(title=f"sweep of {sum(len(row.runs) for row in summary.rows)} runs", title_justify="left")
    names = [name for name in summary.names if not name.endswith("/std")][:3]  # what fits beside the options
    for option in summary.options:
        shown.add_column(option.rpartition(".")[2], overflow="fold")
    shown.add_column("seeds", justify="right")
    for name in names:
        shown.add_column(log_names.title(name), justify="right", min_width=11)
    shown.add_column("CPU s", justify="right")
    best = {name: summary.best(name) for name in names}
    for row in summary.rows:
        options = [brief(row.options.get(option, MISSING)) for option in summary.options]
        values = [_value(row.values.get(name), best[name] is row) for name in names]
        seconds = MISSING if row.cpu_seconds is None else f"{row.cpu_seconds:.0f}"
        shown.add_row(*options, str(len(row.finished)), *values, seconds)
    return shown


def _value(spread: Spread | None, is_best: bool) -> str:
    """Three significant digits."""
    if spread is None:
        return MISSING
    said = spread.said(max(0, 2 - math.floor(math.log10(max(abs(spread.mean), 1e-9)))))
    return f"[bold]{said}[/]" if is_best else said
