"""What a run has left in its folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mixgan_lightning import log_names
from mixgan_lightning.report.metrics import Metrics, read_metrics
from mixgan_lightning.report.reading import at, read_json, read_text, read_yaml

CONFIG = Path(".hydra") / "config.yaml"
FAILURE = "failure.txt"  # one line: why a run of a sweep failed
PLAYERS = ("generator", "discriminator")
INTERRUPTED = "interrupted, or still running: no results.json"


@dataclass(frozen=True)
class RunFiles:
    """The small files of one run, read; any of them may be missing, and is then empty here."""

    folder: Path
    results: Mapping[str, Any]  # results.json: see `mixgan_lightning.cli.results`
    config: Mapping[str, Any]  # not resolved
    config_text: str
    overrides: tuple[str, ...]  # what the user typed
    choices: Mapping[str, str | None]  # config group -> the alternative chosen
    provenance: Mapping[str, Any]
    failure: str | None  # why it failed
    samples: tuple[Path, ...]  # oldest first
    payoffs: tuple[Path, ...]

    @cached_property
    def metrics(self) -> Metrics:
        """Read when they are asked for: they may be long."""
        return read_metrics(self.folder, with_earlier=self.config.get("ckpt_path") is not None)

    @property
    def reason(self) -> str | None:
        """Why it did not end well; None: it did."""
        return self.failure or (None if self.results else INTERRUPTED)

    @property
    def size(self) -> int | None:
        """T of the generators."""
        size = self.results.get("size") or self._of("mixture").get("size")
        return size if isinstance(size, int) else None

    @property
    def title(self) -> str:
        """What was trained."""
        by_size = "GAN" if self.size is None else f"MIX+ of {self.size}" if self.size > 1 else "one GAN"
        return str(self.results.get("title") or by_size)

    @property
    def subject(self) -> tuple[str, ...]:
        """Architecture and data."""
        return tuple(found for group in ("gan", "data") if (found := self._named(group)))

    @property
    def kind(self) -> str | None:
        """Which module plays it, where it is not ``MixGANModule``."""
        name = str(self._of("mixture").get("_target_") or "").rpartition(".")[2]
        return name if name not in ("", "MixGANModule") else None

    @property
    def data(self) -> str | None:
        """Which."""
        return self._named("data")

    @property
    def seed(self) -> int | None:
        """Of everything random."""
        seed = self.config.get("seed", self.provenance.get("seed"))
        return seed if isinstance(seed, int) else None

    @property
    def objective(self) -> str | None:
        """Log name of what a sweep compares; of several the first."""
        objective = self.config.get("objective")
        names = objective if isinstance(objective, list) else [objective]
        return next((name for name in names if isinstance(name, str)), None)

    def measured(self, of: str) -> dict[str, float]:
        """The final values of "mixture" or "real", without deviations over splits and subsets."""
        return {name: value for name, value in self._values(of).items() if not name.endswith("/std")}

    def deviation(self, of: str, name: str) -> float:
        """Over splits or subsets; 0: there is none."""
        return self._values(of).get(name.replace("/mean", "/std"), 0.0) if name.endswith("/mean") else 0.0

    def weights(self, player: str) -> list[float]:
        """The final w of "generator" or "discriminator"; of a run without results the last logged."""
        if found := self.results.get(f"{player}_weights"):
            return list(found)
        logged: list[float] = []
        while (name := log_names.weight(player, len(logged))) in self.metrics:
            logged.append(self.metrics[name].last)
        return logged

    def _values(self, of: str) -> dict[str, float]:
        """Of a run without results what it has measured last."""
        if of == "mixture" and not self.results:
            return {name: series.last for name, series in self.metrics.items() if is_measured(name)}
        found = self.results.get(of) or {}
        return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}

    def _of(self, group: str) -> Mapping[str, Any]:
        found = self.config.get(group)
        return found if isinstance(found, Mapping) else {}

    def _named(self, group: str) -> str | None:
        """As the user chose it; a config of the user's own by its class."""
        chosen = self.choices.get(group)
        target = self._of(group).get("_target_")
        return target.split(".")[-1] if isinstance(target, str) and chosen in (None, "custom") else chosen


def is_measured(name: str) -> bool:
    """Whether it is the log name of a measured value of the mixture."""
    return name.startswith("quality/") and not name.startswith("quality/component/")


def is_run(folder: Path) -> bool:
    """Whether a run has left anything here."""
    return any((folder / name).is_file() for name in (CONFIG, "metrics.csv", "results.json", FAILURE))


def read_run(folder: Path) -> RunFiles:
    """Read all but the metrics; a file that cannot be read counts as missing."""
    hydra = folder / ".hydra"
    config, overrides = read_yaml(folder / CONFIG), read_yaml(hydra / "overrides.yaml")
    return RunFiles(
        folder=folder,
        results=read_json(folder / "results.json"),
        config=config if isinstance(config, dict) else {},
        config_text=read_text(folder / CONFIG),
        overrides=tuple(map(str, overrides)) if isinstance(overrides, list) else (),
        choices=at(read_yaml(hydra / "hydra.yaml"), "hydra", "runtime", "choices") or {},
        provenance=read_json(folder / "provenance.json"),
        failure=read_text(folder / FAILURE).strip() or None,
        samples=_numbered(folder / "samples", "epoch_*.png"),
        payoffs=_numbered(folder / "payoff", "epoch_*.csv"),
    )


def _numbered(folder: Path, pattern: str) -> tuple[Path, ...]:
    """By their number: epoch_10000 comes after epoch_9999."""
    return tuple(sorted(folder.glob(pattern), key=lambda path: (epoch_of(path), path.name)))


def epoch_of(path: Path) -> int:
    """Of a file named after it; −1 where it is not.

    Example:
        >>> epoch_of(Path("samples/epoch_0020.png"))
        20
    """
    found = re.search(r"\d+", path.stem)
    return int(found.group()) if found else -1
