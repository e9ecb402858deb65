"""Samples side by side, as the paper's Figures 2 and 3: each model, the components of a mixture, real data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor
from torch.nn.functional import pad

from mixgan_lightning import pictures
from mixgan_lightning.evaluation import RealSamples
from mixgan_lightning.module import MixGANModule
from mixgan_lightning.options import check_count
from mixgan_lightning.reproduce.reproduction import Page, Reproduction, beside, embedded
from mixgan_lightning.reproduce.runs import Outcome, Ran
from mixgan_lightning.sampling import own_stream

SEED = 0  # of the samples: the same latents for every model


class SampleSheet(Reproduction):
    """Writes stem.md, and stem_seed_S.png for each seed: grids of a conditional GAN hold a row a label.

    Args:
        side: images in each row; of a GAN without labels in each column, too.
        others: of `Reproduction`.
    """

    def __init__(self, *, side: int = 10, **others: Any) -> None:
        super().__init__(**others)
        self.side = check_count("side", side)

    def page(self, ran: Sequence[Ran], stem: Path) -> Page:
        """A picture a seed."""
        files = []
        for seed in dict.fromkeys(outcome.run.seed for one in ran for outcome in one.finished):
            of_seed = [
                (one.entry.label, outcome) for one in ran for outcome in one.finished if outcome.run.seed == seed
            ]
            files.append(beside(stem, f"_seed_{seed}.png"))
            panels = self._panels(of_seed)
            pictures.write_png(files[-1], pictures.panels(panels, min(3, len(panels)), self.title))
        return Page("\n\n".join(embedded(file, self.title) for file in files) or "Nothing to show.", files)

    def _panels(self, outcomes: Sequence[tuple[str, Outcome]]) -> list[tuple[str, pictures.Picture]]:
        """Models, then components, then real data."""
        models = [(label, _model(outcome)) for label, outcome in outcomes]
        panels = [(label, self._grid(model)) for label, model in models]
        for label, model in models:
            weights = model.generators.weights.tolist() if len(model.generators) > 1 else []
            for i, weight in enumerate(weights):
                panels.append((f"{label}\ncomponent {i}, w = {weight:.3f}", self._grid(model, i)))
        (_, first), (_, outcome) = models[0], outcomes[0]
        return [*panels, ("real data", pictures.grid(self._real(outcome, first), self.side))]

    def _labels(self, model: MixGANModule) -> Tensor | None:
        """A row a label."""
        n = model.gan.num_classes
        return None if n is None else torch.arange(n).repeat_interleave(self.side)

    def _grid(self, model: MixGANModule, component: int | None = None) -> pictures.Picture:
        labels = self._labels(model)
        n = self.side**2 if labels is None else len(labels)
        images, _ = model.sample(n, seed=SEED, labels=labels, component=component)
        return pictures.grid(images, self.side)

    def _real(self, outcome: Outcome, model: MixGANModule) -> Tensor:
        """Held-out images of the run's data."""
        datamodule = instantiate(OmegaConf.load(outcome.run.folder / ".hydra" / "config.yaml").data)
        datamodule.prepare_data()
        datamodule.setup("fit")
        labels = self._labels(model)

        def held_out(pick: Any, limit: int | None = None) -> Tensor:
            with own_stream(torch.device("cpu"), SEED):
                return torch.cat([found for found, _ in RealSamples(datamodule, "held_out", pick, limit).batches()])

        if labels is None:
            return held_out(model.gan.images, self.side**2)
        images, theirs = held_out(model.gan.images), held_out(model.gan.labels)
        rows = [images[theirs == label][: self.side] for label in labels.unique()]
        return torch.cat([pad(row, (0,) * 6 + (0, self.side - len(row)), value=1.0) for row in rows])  # white places


def _model(outcome: Outcome) -> MixGANModule:
    return MixGANModule.load_from_checkpoint(outcome.run.folder / "checkpoints" / "last.ckpt")
