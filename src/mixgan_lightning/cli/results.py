"""What a run leaves: the table at its end, and the same in results.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from mixgan_lightning import log_names


@dataclass(frozen=True)
class Results:
    """The final measurements of a run."""

    title: str  # what was trained, in words
    size: int
    mixture: dict[str, float]  # log name -> value
    real: dict[str, float]  # the same of real data, from as many samples
    num_samples: int
    weights: str  # that were measured: "ema" (averaged) or "raw"
    generator_weights: list[float]
    discriminator_weights: list[float]
    generators_in_use: float  # exp H(w)
    discriminators_in_use: float
    images_seen: int
    images_seen_before: int  # of these by the checkpoint that it went on from
    images_per_second: float  # of this run, which may have gone on from a checkpoint
    seconds: float  # of the epochs, without the measurements, pictures and checkpoints at their ends
    cpu_seconds: float  # of this process and all its threads meanwhile: what other programs take does not count
    device: str  # "cpu", or a GPU's name

    def save(self, path: Path) -> None:
        """Write results.json."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Those that a run has saved."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def show(self, run_dir: Path) -> None:
        """Print the table, the learnt weights, and where the files lie."""
        console = Console()
        console.print()
        if self.mixture:
            console.print(self._table())
        for player, weights, in_use in (
            ("generators", self.generator_weights, self.generators_in_use),
            ("discriminators", self.discriminator_weights, self.discriminators_in_use),
        ):
            shown = " ".join(f"{w:.2f}" for w in weights)
            console.print(f"{player:15}w = {shown}   ({in_use:.2f} in use)", highlight=False, soft_wrap=True)
        before = f" after {self.images_seen_before:,} before" if self.images_seen_before else ""
        seen = f"{self.images_seen - self.images_seen_before:,} real images seen{before}"
        rate = f"{self.images_per_second:,.0f}/s"
        console.print(f"training       {self.seconds:.1f} s, {seen} ({rate})", highlight=False)
        files = {
            "pictures": "samples/",
            "curves": "metrics.csv",
            "results": "results.json",
            "checkpoint": "checkpoints/last.ckpt",
        }
        for title, name in files.items():
            if (run_dir / name).exists():
                console.print(f"{title:15}{short(run_dir)}/{name}", highlight=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table(
            title=self.title + ", averaged weights" * (self.weights == "ema"), title_justify="left", title_style="bold"
        )
        table.add_column(f"from {self.num_samples:,} samples")
        table.add_column("mixture", justify="right")
        table.add_column("real data", justify="right")
        for name, value in self.mixture.items():
            if name == log_names.INCEPTION_SCORE_STD and value == 0:
                continue  # one split has none
            shown = f"{self.real[name]:.3g}" if name in self.real else "not scored"
            table.add_row(log_names.title(name), f"{value:.3g}", shown)
        return table


def short(path: Path) -> Path:
    """Relative to the working directory, where it lies inside."""
    path = path.absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
