"""Scoring samples of the mixture on a schedule of its own, beside real data, without touching the training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor, nn

from mixgan_lightning import log_names
from mixgan_lightning.callbacks.ema import Weights, average_first, holding, weights_at_hand
from mixgan_lightning.callbacks.media import log_values
from mixgan_lightning.callbacks.occasion import Occasion
from mixgan_lightning.callbacks.progress_bar import scoring_bar
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.evaluation import DrawnSamples, Measure, RealSamples, Scoring
from mixgan_lightning.evaluation.bar import Progress, unseen
from mixgan_lightning.mixture_module import MixtureModule
from mixgan_lightning.options import MANY, check_count, check_seed
from mixgan_lightning.processes import with_equal_buffers
from mixgan_lightning.sampling import Sampler
from mixgan_lightning.trial import FITTING_LATENTS, told


class QualityOptions(TypedDict, total=False):
    """Options that every quality callback takes; see `QualityCallback`."""

    every_n_epochs: int | None
    every_n_steps: int | None
    seed: int
    components: bool
    weights: Weights | None


class QualityCallback(pl.Callback):
    """Draws samples on some occasions and after the last epoch, measures and logs them.

    The same seed each time: the same latents, so a curve shows the generators and not the draw. Nothing is drawn from
    the training's random streams, and no buffer changes: training is the same with and without it.

    With several processes each scores its share of the samples; images and values do not depend on how many there
    are, and all log the same.

    Args:
        measures: what is measured, all in one pass over one set of samples.
        num_samples: how many; None: as many as there are held-out real samples (equal n, so that the real row is
            comparable: most scores depend on n).
        features: maps samples to what the measures look at; None where they look at the samples alone.
        every_n_epochs, every_n_steps: how often; see `Occasion`.
        seed: of the samples.
        components: score each generator alone as well, from as many samples: T times the work more.
        weights: "ema" or "raw". Default: averaged weights where a callback (`EMA`) averages them.

    Attributes:
        latest: the values measured last, under their log names.
        latest_weights: what they are of, "ema" or "raw".
        scoring: holds ``real``, the real data's own values, measured when training starts.
    """

    def __init__(
        self,
        measures: Sequence[Measure],
        num_samples: int | None,
        features: nn.Module | None = None,
        *,
        every_n_epochs: int | None = None,
        every_n_steps: int | None = None,
        seed: int = 0,
        components: bool = False,
        weights: Weights | None = None,
    ) -> None:
        if num_samples is not None:
            check_count("num_samples", num_samples, MANY)
        if weights not in ("ema", "raw", None):
            raise ConfigurationError(f"weights: expected ema, raw or null, got {weights!r}")
        self.scoring = Scoring(measures, features, num_samples)
        self.occasion = Occasion(every_n_epochs, every_n_steps)
        self.seed, self.components, self.weights = check_seed(seed), components, weights
        self.latest: dict[str, float] | None = None
        self.latest_weights: Weights = "raw"
        self._measured_at: int | None = None  # batches of the training
        self._tried = True  # whether a sample has been shown to the features

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look at the real data and measure them once."""
        if not isinstance(pl_module, MixtureModule):
            raise ConfigurationError(
                f"{type(self).__name__} scores mixtures: expected a module of mix(...), got {type(pl_module).__name__}"
            )
        weights_at_hand(trainer, self.weights)  # refuses averaged weights that nobody averages
        average_first(trainer)
        self._measured_at = None
        self._tried = pl_module.gan.can_draw
        shown = trainer.progress_bar_callback is not None
        self.prepare(pl_module, trainer.datamodule, shown=shown)  # type: ignore[attr-defined]
        self.occasion.check_early_stopping(trainer, self.scoring.real)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure and log, when it is due by steps."""
        if not isinstance(pl_module, MixtureModule):
            return
        if not self._tried:  # an unmodified GAN's samples: now it is known how
            self.scoring.check(DrawnSamples(pl_module.sampler, 2, self.seed))
            self._tried = True
        if self.occasion.after_batch(trainer):
            self.evaluate(trainer, pl_module, f"step {trainer.fit_loop.total_batch_idx + 1}")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure and log, when it is due by epochs, and after the last one."""
        if isinstance(pl_module, MixtureModule) and self.occasion.after_epoch(trainer):
            self.evaluate(trainer, pl_module, f"epoch {trainer.current_epoch + 1}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure after the last epoch, where it was only known by now that it was: EarlyStopping decides last."""
        if not isinstance(pl_module, MixtureModule) or self._measured_at == trainer.fit_loop.total_batch_idx:
            return
        if self.weights == "raw" and weights_at_hand(trainer, None) == "ema":
            rank_zero_warn("weights='raw': the last epoch is not scored, averaged weights have taken their place")
        else:
            self.evaluate(trainer, pl_module, f"epoch {trainer.current_epoch}")

    def prepare(self, module: MixtureModule, datamodule: Any, *, shown: bool = True) -> None:
        """Show the measures their real data, measure these, and try the features on a first sample.

        Raises:
            DataError: when a measure needs real data and there is no datamodule with them; when features do not fit.
            GANError: when the generator cannot take its latents.
        """
        self.observe(datamodule, module.gan.images, module.gan.like.device, shown=shown)
        if module.gan.can_draw:
            samples = DrawnSamples(module.sampler, 2, self.seed)
            with told("generator", "its latents", FITTING_LATENTS):
                next(samples.batches())
            self.scoring.check(samples)

    def observe(
        self, datamodule: Any, images: Callable[[Any], Tensor], device: torch.device, *, shown: bool = True
    ) -> None:
        """Show the measures their real data, and measure these.

        Args:
            datamodule: where they come from, or None.
            images: picks the images out of a batch.
            device: where features and measures are computed.
            shown: whether bars tell how far it is.
        """
        self.scoring.prepare(lambda split, n: RealSamples(datamodule, split, images, n), device, shown=shown)

    def measure(
        self, module: MixtureModule, component: int | None = None, progress: Progress = unseen
    ) -> dict[str, float]:
        """The values of the mixture as it is now, or of one component, under their log names."""
        return self._score(_of_all_processes(module.sampler), component, progress)

    def _score(self, sampler: Sampler, component: int | None, progress: Progress) -> dict[str, float]:
        n = self.scoring.num_samples
        assert n is not None  # counted in prepare
        return self.scoring.score(DrawnSamples(sampler, n, self.seed, component), progress)

    def evaluate(self, trainer: pl.Trainer, module: MixtureModule, when: str) -> None:
        """Measure the weights at hand, say and log the values; ``when``: what is said before them."""
        self._measured_at = trainer.fit_loop.total_batch_idx
        self.latest_weights = weights_at_hand(trainer, self.weights)
        of_weights = "" if self.latest_weights == "raw" else ", averaged weights"
        with holding(self.latest_weights, trainer, module):
            sampler = _of_all_processes(module.sampler)
            self.latest = self._score_shown(trainer, sampler, None, "scoring")
            module.print(f"{when}{of_weights}: {log_names.said(self.latest)}")
            found = dict(self.latest)
            for i in range(len(module.generators)) if self.components else ():
                values = self._score_shown(trainer, sampler, i, f"component {i}")
                found |= {log_names.of_component(i, name): value for name, value in values.items()}
        self._log(trainer, module, found)

    def _score_shown(
        self, trainer: pl.Trainer, sampler: Sampler, component: int | None, title: str
    ) -> dict[str, float]:
        with scoring_bar(trainer, self.scoring.num_samples or 0, title) as progress:
            return self._score(sampler, component, progress)

    def _log(self, trainer: pl.Trainer, module: MixtureModule, values: dict[str, float]) -> None:
        """To the loggers now, whatever log_every_n_steps; and to callbacks that monitor a value, on all processes."""
        trainer.callback_metrics.update({name: torch.tensor(value) for name, value in values.items()})
        log_values(trainer, module, values)


def _of_all_processes(sampler: Sampler) -> Sampler:
    """The same sampler on all processes: their BatchNorm statistics differ."""
    gan, generators = with_equal_buffers(sampler.gan), with_equal_buffers(sampler.generators)
    return Sampler(gan, generators, sampler.label_weights)  # type: ignore[arg-type]
