"""What is random in a training depends on the seed and the number of the batch alone, so that it can go on exactly."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytorch_lightning as pl
from lightning_fabric.utilities.data import _set_sampler_epoch

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.options import check_seed
from mixgan_lightning.sampling import seed_streams


class StepSeeding(pl.Callback):
    """Seeds the random streams of torch, numpy and random before every batch: from (seed, batch, process).

    A training that goes on from a checkpoint then draws what it would have drawn, and sees the data in the order that
    it would have seen: with it, an interrupted training ends with the parameters of one that never was, bit for bit on
    a CPU. From the middle of an epoch, the batches that the epoch has had are read again and passed over.

    Beyond it: a ``DataLoader`` with a ``generator`` of its own, or with ``persistent_workers`` and a dataset that
    draws; a dataset that remembers what it gave, and one that draws in the training's process after the module's own
    ``on_train_batch_end`` has drawn.

    Args:
        seed: the run's.

    Raises:
        ConfigurationError: seed out of range; an epoch has fewer batches than it had when it was cut off.

    Example:
        >>> from mixgan_lightning.callbacks import StepSeeding
        >>> trainer = pl.Trainer(callbacks=[StepSeeding(seed=0)], logger=False)
    """

    def __init__(self, seed: int) -> None:
        self.seed = check_seed(seed)
        self.batches = 0  # trained on, in the whole training
        self.first = 0  # batch of this epoch

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """What Lightning warns of, data that begin anew in the middle of an epoch, is mended here."""
        warnings.filterwarnings("ignore", ".*your dataloader is not resumable.*")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """In the middle of an epoch: pass over the batches that it has had."""
        if trainer.fit_loop.restarted_mid_epoch:
            self._pass_over(trainer)
        elif trainer.fit_loop.restarting:
            _end_epoch(trainer.fit_loop)

    def _pass_over(self, trainer: pl.Trainer) -> None:
        self._start_epoch(trainer)
        fetcher: Any = trainer.fit_loop._data_fetcher
        for batch in range(self.first, self.batches):
            if next(fetcher, None) is None:
                raise ConfigurationError(
                    f"the checkpoint was written after {self.batches - self.first} batches of an epoch, and an epoch "
                    f"has only {batch - self.first} now: go on with the same data, batch_size and limit_train_batches"
                )
            self._seed(trainer, batch + 1, of_step=False)
        fetcher.fetched -= self.batches - self.first  # Lightning adds them

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Shuffle the data by the seed of the first batch."""
        self.first = self.batches
        if trainer.current_epoch == 0 or trainer.fit_loop.is_resuming:  # Lightning did so before, from another seed
            self._start_epoch(trainer)
        else:
            self._seed(trainer, self.first, of_step=False)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """For the step."""
        self._seed(trainer, self.batches, of_step=True)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """For what the dataset draws of the next batch."""
        self.batches += 1
        self._seed(trainer, self.batches, of_step=False)

    def _start_epoch(self, trainer: pl.Trainer) -> None:
        self._seed(trainer, self.first, of_step=False)
        for loader in trainer.fit_loop._combined_loader.flattened:  # type: ignore[union-attr]
            _set_sampler_epoch(loader, trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]
        iter(trainer.fit_loop._data_fetcher)  # type: ignore[arg-type]

    def _seed(self, trainer: pl.Trainer, batch: int, *, of_step: bool) -> None:
        sequence = np.random.SeedSequence([self.seed, batch, trainer.global_rank, of_step])
        seed_streams(trainer.strategy.root_device, int(sequence.generate_state(1, np.uint64)[0]))

    def state_dict(self) -> dict[str, Any]:
        """Where the training is."""
        return {"batches": self.batches, "first": self.first}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.batches, self.first = state_dict["batches"], state_dict["first"]


def _end_epoch(loop: Any) -> None:
    """An epoch that is over is over: with ``max_steps`` Lightning would train one more batch of it."""
    epoch = loop.epoch_progress.current
    if epoch.ready != epoch.processed:
        return
    if loop.restarted_on_epoch_end:
        loop.epoch_progress.increment_completed()
    for each in (loop, loop.epoch_loop):
        each.reset_restart_stage()
        each._restarting = False
