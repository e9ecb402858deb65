"""What an evaluation found: one table, in the terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mixgan_lightning import log_names

REAL = "real data"
WIDEST = 200  # columns of a table
BETWEEN = 2  # spaces from one to the next
SPLIT_TITLES = {"train": "training data", "held_out": "held-out data"}


@dataclass(frozen=True)
class Outcome:
    """Values of sets of samples, all from equal numbers of samples, and all that one needs to get them again."""

    source: str  # the checkpoint, or the folder of images
    rows: dict[str, dict[str, float]]  # mixture, component 0 …, real data -> log name -> value
    real_splits: dict[str, str]  # log name -> the real data that the row "real data" measured
    component_weights: list[float]  # w; empty for a single GAN and for a folder
    num_samples: int
    seed: int | None  # of the samples; None: they were not drawn
    weights: str | None  # "ema" or "raw"; None: no checkpoint
    features: str | None  # class of the feature extractor
    features_sha256: str | None
    measures: dict[str, dict[str, Any]]  # each with its settings
    data: dict[str, Any]  # config of the real data
    device: str  # on which samples were drawn and features computed
    versions: dict[str, str]  # of the packages that draw and measure
    duality_gap: dict[str, Any] | None = None  # of the game, on how many steps and samples; None: not measured

    def save(self, stem: Path) -> None:
        """Write stem.md and stem.json."""
        stem.parent.mkdir(parents=True, exist_ok=True)
        stem.with_name(f"{stem.name}.md").write_text(self.markdown(), encoding="utf-8")
        stem.with_name(f"{stem.name}.json").write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    def markdown(self) -> str:
        """The table and its conditions."""
        head = self._head()
        lines = [head, ["---", *["---:"] * (len(head) - 1)], *self._cells()]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        below = ["".join(f"- {line}\n" for line in lines) for lines in (self._conditions(), self._origins())]
        return "\n".join([f"{table}\n", *below])

    def show(self) -> None:
        """Print both."""
        console = Console()
        console.print(f"\n[bold]{escape(self.source)}[/]\n", soft_wrap=True)
        for table in self._tables(console.width):
            Console(width=WIDEST).print(table, "")  # no number is cut off
        for condition in self._conditions():
            console.print(condition, highlight=False)

    def _tables(self, width: int) -> list[Table]:
        """The table, or several below each other, with as many measures in each as fit this width."""
        titles = [title.replace(" ", "\n") for title in self._head()]  # a word a line
        columns = list(zip(titles, *self._cells(), strict=True))
        every = 2 if self.component_weights else 1  # columns that each table begins with: the row's name, and w
        room = width + BETWEEN - sum(map(_width, columns[:every]))  # none after the last
        blocks: list[list[tuple[str, ...]]] = [[]]
        for column in columns[every:]:
            if blocks[-1] and sum(map(_width, [*blocks[-1], column])) > room:
                blocks.append([])
            blocks[-1].append(column)
        return [_table([*columns[:every], *block]) for block in blocks]

    def _head(self) -> list[str]:
        return ["", *(["w"] if self.component_weights else []), *map(log_names.title, self._names())]

    def _cells(self) -> list[list[str]]:
        weights = {f"component {i}": f"{w:.2f}" for i, w in enumerate(self.component_weights)}
        of_row = [[weights.get(row, "")] if weights else [] for row in self.rows]
        return [
            [row, *w, *(_shown(values, name) for name in self._names())]
            for w, (row, values) in zip(of_row, self.rows.items(), strict=True)
        ]

    def _names(self) -> list[str]:
        """A column each: deviations stand beside their mean."""
        every = dict.fromkeys(name for values in self.rows.values() for name in values)
        return [name for name in every if not name.endswith("/std")]

    def _conditions(self) -> list[str]:
        drawn = "" if self.seed is None else f", seed {self.seed}"
        of_weights = {"ema": ", averaged weights (ema)", "raw": ", raw weights", None: ""}[self.weights]
        found = [f"{self.num_samples:,} samples in every row{drawn}{of_weights}"]
        if self.features is not None:
            found.append(f"features: {self.features}, sha256 {str(self.features_sha256)[:12]}…")
        settings = [f"{name} ({_listed(chosen)})" for name, chosen in self.measures.items() if chosen]
        found += [f"settings: {', '.join(settings)}"] * bool(settings)
        for split in dict.fromkeys(self.real_splits.values()):
            titles = [log_names.title(name) for name in self._names() if self.real_splits.get(name) == split]
            found.append(f"real row from {SPLIT_TITLES[split]}: {', '.join(titles)}")
        if self.duality_gap is not None:
            found.append(_game(**self.duality_gap))
        if log_names.NEAREST_TRAINING_IMAGE in self._names():
            found.append("nearest training image: smaller than the real data's means memorising")
        return found

    def _origins(self) -> list[str]:
        """What else another person needs to get the same numbers."""
        features = [f"sha256 of the features: {self.features_sha256}"] * (self.features_sha256 is not None)
        data = [f"data: {_listed(self.data)}"] * bool(self.data)
        used = f"device: {self.device}; versions: {_listed(self.versions)}"
        return [f"source: {self.source}", *data, *features, used]


def _game(
    gap: float,
    best_discriminator: float,
    best_generator: float,
    payoff: float,
    matrix_gap: float,
    steps: int,
    train_samples: int,
    held_out_samples: int,
) -> str:
    """The duality gap in a line."""
    below = " (below 0: by chance, or by what the responses memorised)" if gap < 0 else ""
    return (
        f"duality gap: {gap:.3g}{below}, best discriminator {best_discriminator:.3g}, payoff {payoff:.3g}, best "
        f"generator {best_generator:.3g}; responses of {steps:,} steps on {train_samples:,} held-out real samples, "
        f"measured on {held_out_samples:,} others; by the best components alone {matrix_gap:.3g}"
    )


def _width(column: tuple[str, ...]) -> int:
    """In the terminal, with the space before the next."""
    return max(len(line) for cell in column for line in cell.split("\n")) + BETWEEN


def _table(columns: list[tuple[str, ...]]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for i, (title, *_) in enumerate(columns):
        table.add_column(title, justify="right" if i else "left", no_wrap=True)
    for cells in list(zip(*columns, strict=True))[1:]:
        table.add_row(*cells)
    return table


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def _shown(values: Mapping[str, float], name: str) -> str:
    if name not in values:
        return "–"
    deviation = values.get(name.replace("/mean", "/std"), 0.0) if name.endswith("/mean") else 0.0
    return _digits(values[name], 3) + (f" ± {_digits(deviation, 2)}" if deviation else "")


def _digits(value: float, significant: int) -> str:
    """Without an exponent where there are more digits before the point."""
    return f"{value:.0f}" if abs(value) >= 10 ** (significant - 1) else f"{value:.{significant}g}"
