"""Scoring samples of the mixture on a schedule of its own, beside real data, without touching the training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from mixgan_lightning import checks, log_names
from mixgan_lightning.callbacks.measures import Measure
from mixgan_lightning.callbacks.real_data import LOADERS, Split, real_batches
from mixgan_lightning.errors import DataError
from mixgan_lightning.mixture_module import MixtureModule
from mixgan_lightning.sampling import own_stream


class QualityCallback(pl.Callback):
    """Draws samples at the end of some epochs, measures and logs them.

    The same seed each time: the same latents, so a curve shows the generators and not the draw. Nothing is drawn from
    the training's random streams, and no buffer changes: training is the same with and without it.

    Args:
        measures: what is measured, all of one set of samples.
        num_samples: how many; None: as many as there are held-out real samples (equal n, so that the real row is
            comparable: most scores depend on n).
        every_n_epochs: how often.
        seed: of the samples.
    """

    def __init__(
        self, measures: Sequence[Measure], num_samples: int | None, every_n_epochs: int = 1, seed: int = 0
    ) -> None:
        self.measures = list(measures)
        self.num_samples = None if num_samples is None else checks.check_count("num_samples", num_samples)
        self.every_n_epochs = checks.check_count("every_n_epochs", every_n_epochs)
        self.seed = seed
        self.real: dict[str, float] = {}  # the real data's own values, measured when training starts

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the real data and measure them once."""
        if isinstance(pl_module, MixtureModule):
            self.prepare(pl_module, trainer.datamodule)  # type: ignore[attr-defined]

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure and log, when it is due."""
        if isinstance(pl_module, MixtureModule) and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            values = self.measure(pl_module)
            pl_module.log_dict({**values, log_names.IMAGES_SEEN: float(pl_module.played.images_seen)})
            pl_module.print(f"epoch {trainer.current_epoch + 1}: {log_names.said(values)}")

    def prepare(self, module: MixtureModule, datamodule: Any) -> None:
        """Show the measures their real data, and fill ``real``.

        Raises:
            DataError: when a measure needs real data and there is no datamodule with a validation split.
        """
        with own_stream(module.gan.like.device, self.seed), torch.no_grad():
            self._count_held_out(module, datamodule)
            for measure in self.measures:
                split = measure.reference
                reference = iter(()) if split is None else self._reference(module, datamodule, split)
                measure.observe(reference, module.gan.like.device)
                if datamodule is not None:
                    self._measure_real(measure, self._real(module, datamodule, measure.real_row))

    def measure(self, module: MixtureModule, component: int | None = None) -> dict[str, float]:
        """The values of the mixture as it is now, or of one component, under their log names."""
        n = self.num_samples
        assert n is not None  # counted in prepare
        images = [images for images, _ in module.sampler.chunks(n, self.seed, component=component)]
        return {name: value for measure in self.measures for name, value in measure.values(images).items()}

    def _count_held_out(self, module: MixtureModule, datamodule: Any) -> None:
        if self.num_samples is None:
            self.num_samples = sum(map(len, self._reference(module, datamodule, "held_out")))

    def _measure_real(self, measure: Measure, real: Iterator[Tensor]) -> None:
        """The real data's own values, from as many samples as are drawn: scores compare only at equal n."""
        assert self.num_samples is not None
        row, left = [], self.num_samples
        for batch in real:
            row.append(batch[:left])
            left -= len(row[-1])
            if not left:
                self.real |= measure.values(row)
                return
        rank_zero_warn(
            f"{type(measure).__name__}: num_samples={self.num_samples}, but the {measure.real_row} data hold only "
            f"{self.num_samples - left}; scores compare only at equal numbers of samples, so real data are not scored"
        )

    def _real(self, module: MixtureModule, datamodule: Any, split: Split) -> Iterator[Tensor]:
        """Real images of a split, a batch at a time."""
        return (module.gan.images(batch) for batch in real_batches(datamodule, split))

    def _reference(self, module: MixtureModule, datamodule: Any, split: Split) -> Iterator[Tensor]:
        """Real images of a split that a measure cannot do without."""
        images = self._real(module, datamodule, split)
        first = next(images, None)
        if first is None:
            raise DataError(
                f"{type(self).__name__} compares samples with real data ({split}): call trainer.fit(model, "
                f"datamodule=...) with a LightningDataModule that has {LOADERS[split]}"
            )
        return chain([first], images)
