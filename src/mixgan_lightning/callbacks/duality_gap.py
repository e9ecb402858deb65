"""The duality gap of the whole game during training."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn

from mixgan_lightning import log_names
from mixgan_lightning.callbacks.media import log_values
from mixgan_lightning.callbacks.occasion import Occasion, Occasional
from mixgan_lightning.errors import ConfigurationError, GANError, TrainingError
from mixgan_lightning.evaluation import real_batch
from mixgan_lightning.evaluation.real_data import Split
from mixgan_lightning.fixed_batches import transferred
from mixgan_lightning.module import MixGANModule
from mixgan_lightning.options import check_count, check_seed
from mixgan_lightning.processes import everyones, together
from mixgan_lightning.theory import DualityGapEstimate, duality_gap


class DualityGap(Occasional):
    """Logs `theory.duality_gap` and its two best responses' payoffs over ``images_seen``.

    Always on the same real data, half to train the responses on and half to measure on, and from one seed: a curve
    shows the players and not the draw. Training is the same with and without it. With several processes all compute
    the same, on all of the data, and the first one's value is everyone's. Averaged weights (`EMA`) play no game: the
    players are those that train.

    Args:
        steps: of each best response; 500: seconds for a mixture of small networks.
        batch_size: 64, as the package's data.
        num_samples: real samples; 1,000: with f = log means of 500 err by a few hundredths.
        split: "held_out", so that a discriminator which memorised its training data is not taken for a good one; or
            "train".
        every_n_epochs, every_n_steps: how often; see `Occasion`.
        seed: of batches and latents.

    Attributes:
        latest: the estimate made last.

    Raises:
        ConfigurationError: for numbers out of range; at the start for a module without a payoff.
    """

    def __init__(
        self,
        steps: int = 500,
        batch_size: int = 64,
        num_samples: int = 1000,
        split: Split = "held_out",
        every_n_epochs: int | None = None,
        every_n_steps: int | None = None,
        seed: int = 0,
    ) -> None:
        self.steps, self.batch_size = check_count("steps", steps), check_count("batch_size", batch_size)
        self.num_samples, self.split, self.seed = check_count("num_samples", num_samples), split, check_seed(seed)
        self.occasion = Occasion(every_n_epochs, every_n_steps)
        self.latest: DualityGapEstimate | None = None
        self._data: Any = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Refuse what has no duality gap, and read the real data."""
        if not isinstance(pl_module, MixGANModule) or not pl_module.has_payoff:
            raise GANError(
                "DualityGap: this module has no payoff (an unmodified GAN, or losses of one's own); leave the callback "
                "out, or watch its samples: NeuralNetDivergenceCallback (callbacks/divergence=distance)"
            )
        if self.split not in ("train", "held_out"):
            raise ConfigurationError(f"split: expected train or held_out, got {self.split!r}")
        with together():
            datamodule, images = trainer.datamodule, pl_module.gan.images  # type: ignore[attr-defined]
            self._data = real_batch(datamodule, self.split, images, self.num_samples)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The data as the players get them."""
        self._data = transferred(self._data, trainer)

    def measure(self, trainer: pl.Trainer, module: Any) -> None:
        """Measure and log."""
        try:
            with together():
                mine = duality_gap(module, self._data, steps=self.steps, batch_size=self.batch_size, seed=self.seed)
        except TrainingError as error:
            rank_zero_warn(str(error))
            return
        self.latest = everyones(mine)[0]  # GPUs do not add up in one order
        values = {
            log_names.DUALITY_GAP: self.latest.gap,
            log_names.BEST_DISCRIMINATOR: self.latest.best_discriminator,
            log_names.BEST_GENERATOR: self.latest.best_generator,
        }
        module.print(f"duality gap {self.latest.gap:.3g}, of which the components reach {self.latest.matrix_gap:.3g}")
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in values.items()})
        log_values(trainer, module, values)
