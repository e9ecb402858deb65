"""One training among those that a table or figure needs: its command, its folder, and what came of it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose
from omegaconf import OmegaConf

from mixgan_lightning.reproduce.entry import Entry

PROGRAM = (sys.executable, "-m", "mixgan_lightning.cli.train")


@dataclass(frozen=True)
class Run:
    """``mixgan-train experiment=… seed=… options`` into a folder of its own."""

    experiment: str
    seed: int
    folder: Path
    options: tuple[str, ...] = ()  # overrides, those of the command line last
    name: str = ""  # in messages; else the experiment's

    def __str__(self) -> str:
        return f"{self.name or self.experiment}, seed {self.seed}"

    @property
    def words(self) -> list[str]:
        """What mixgan-train is told, but for the folder."""
        return [f"experiment={self.experiment}", f"seed={self.seed}", "logger=csv", *self.options]

    @property
    def command(self) -> list[str]:
        """For a process of its own."""
        return [*PROGRAM, *self.words, f"hydra.run.dir={quoted(str(self.folder))}"]

    @property
    def results_path(self) -> Path:
        """Written when all is done."""
        return self.folder / "results.json"

    def config(self) -> Any:
        """What mixgan-train would compose now; Hydra knows where from in a task of its own (or is told).

        Raises:
            HydraException: for an experiment or an option that does not exist.
        """
        return OmegaConf.to_container(compose("train", overrides=self.words), resolve=False)

    def is_finished(self) -> bool:
        """Whether it was trained to the end, with the config that it would be trained with now."""
        was = self.folder / ".hydra" / "config.yaml"
        if not self.results_path.exists() or not was.exists():
            return False
        return bool(OmegaConf.to_container(OmegaConf.load(was), resolve=False) == self.config())


@dataclass(frozen=True)
class Outcome:
    """What came of a run: its files, or the one line that says why there are none."""

    run: Run
    failure: str | None = None

    @property
    def results(self) -> dict[str, Any]:
        """results.json: see `mixgan_lightning.cli.results`."""
        found: dict[str, Any] = json.loads(self.run.results_path.read_text())
        return found


@dataclass(frozen=True)
class Ran:
    """An entry, and what came of its experiment's runs, one a seed."""

    entry: Entry
    outcomes: Sequence[Outcome]

    @property
    def finished(self) -> list[Outcome]:
        """Those with results."""
        return [outcome for outcome in self.outcomes if outcome.failure is None]


def not_run(ran: Iterable[Ran]) -> list[str]:
    """A line for each way in which runs failed, with the entries and seeds that did."""
    labels: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for one in ran:
        seeds: dict[str, list[int]] = {}
        for outcome in one.outcomes:
            if outcome.failure is not None:
                seeds.setdefault(outcome.failure, []).append(outcome.run.seed)
        for failure, of in seeds.items():
            labels.setdefault((failure, tuple(of)), []).append(one.entry.label)
    return [f"{'; '.join(of)}: not run: {failure} ({seeds_said(s)})" for (failure, s), of in labels.items()]


def quoted(text: str) -> str:
    """Any text as Hydra reads it: it takes backslashes as they are, unless a quote follows."""
    inside = re.sub(r'(\\*)"', r'\1\1\\"', text)
    return '"' + re.sub(r"(\\+)$", r"\1\1", inside) + '"'


def seeds_said(seeds: Iterable[int]) -> str:
    """Seeds in words.

    Example:
        >>> seeds_said([1]), seeds_said([1, 2])
        ('seed 1', 'seeds 1, 2')
    """
    shown = list(map(str, seeds))
    return f"seed{'s' * (len(shown) > 1)} {', '.join(shown)}"
