"""The payoff matrix during training, measured on fixed batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from mixgan_lightning import log_names, pictures
from mixgan_lightning.callbacks.media import Shown, Table, log_media, log_values
from mixgan_lightning.callbacks.occasion import Occasion
from mixgan_lightning.evaluation import TrainingBatches
from mixgan_lightning.gan import GAN
from mixgan_lightning.module import MixGANModule
from mixgan_lightning.options import check_count, check_seed
from mixgan_lightning.payoff import payoff_matrix
from mixgan_lightning.processes import Share
from mixgan_lightning.sampling import chunk_seed, own_stream
from mixgan_lightning.theory import matrix_gap


class PayoffMonitor(pl.Callback):
    """Logs F as a picture and a table, and its gap, max_j (w_uᵀF)_j − min_i (F w_v)_i, over ``images_seen``.

    On batches of the training data that are always the same (of a stream, the first that this training sees), and on
    fakes from fixed latents: on a minibatch the maximum of noise would make the gap too large. Training is the same
    with and without it. Modules without scores (losses of one's own, unmodified GANs) have no payoff and are left
    alone.

    Args:
        dirpath: where F is written with a row a generator, ``epoch_0020.csv``, or by steps
            ``epoch_0020_batch_000440.csv``; None: nowhere.
        every_n_epochs, every_n_steps: how often; see `Occasion`.
        num_samples: real images, in whole batches, over all processes; 1,024: means err by about 3 % of the sd.
        seed: of the latents.
    """

    def __init__(
        self,
        dirpath: str | Path | None = None,
        every_n_epochs: int | None = None,
        every_n_steps: int | None = None,
        num_samples: int = 1024,
        seed: int = 0,
    ) -> None:
        self.dirpath = None if dirpath is None else Path(dirpath)
        self.occasion = Occasion(every_n_epochs, every_n_steps)
        self.num_samples, self.seed = check_count("num_samples", num_samples), check_seed(seed)
        self._batches: list[Any] = []
        self._left = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read what will be measured on; of a stream it will be what comes first."""
        self._batches, self._left = [], 0
        if not isinstance(pl_module, MixGANModule) or not isinstance(pl_module.gan, GAN):
            return
        with own_stream(pl_module.device, self.seed):
            found = TrainingBatches(trainer).some(self.num_samples, Share(trainer.global_rank, trainer.world_size))
            self._batches = [_transferred(batch, trainer) for batch in found or []]
        self._left = self.num_samples if found is None else 0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Of a stream: keep the first batches."""
        if self._left > 0 and isinstance(pl_module, MixGANModule):
            self._batches.append(batch)
            self._left -= len(pl_module.gan.images(batch)) * trainer.world_size

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure and log, when it is due by steps."""
        if self.occasion.after_batch(trainer):
            self._measure(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure and log, when it is due by epochs, and after the last one."""
        if self.occasion.after_epoch(trainer):
            self._measure(trainer, pl_module)

    def _measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if not self._batches or not isinstance(module, MixGANModule) or not isinstance(module.gan, GAN):
            return
        if module.pairs.scores is None:  # losses of one's own, which play by other rules
            return
        rank = trainer.global_rank
        seed = self.seed if rank == 0 else chunk_seed(self.seed, rank)  # every process draws latents of its own
        matrix = payoff_matrix(module.gan, module.generators, module.discriminators, self._batches, seed)
        matrix = trainer.strategy.reduce(matrix, reduce_op="mean")
        if trainer.is_global_zero:
            self._show(trainer, module, matrix.cpu())

    def _show(self, trainer: pl.Trainer, module: MixGANModule, matrix: Tensor) -> None:
        w_u, w_v = (player.weights.detach().cpu() for player in (module.generators, module.discriminators))
        if not matrix.isfinite().all():
            rank_zero_warn("the payoff is NaN or infinite: the training has diverged")
            return
        log_values(trainer, module, {log_names.PAYOFF_GAP: float(matrix_gap(matrix, w_u, w_v))})
        rows = [[f"generator {i}", *row] for i, row in enumerate(matrix.tolist())]
        columns = ["", *(f"discriminator {j}" for j in range(matrix.shape[1]))]
        heatmap = Shown(pictures.heatmap(matrix, w_u, w_v), "F: generators down, discriminators across")
        log_media(
            trainer,
            module,
            {log_names.PAYOFF_HEATMAP: heatmap},
            {log_names.PAYOFF_MATRIX: Table(columns, rows)},
        )
        if self.dirpath is not None:
            self.dirpath.mkdir(parents=True, exist_ok=True)
            batch = f"_batch_{trainer.fit_loop.total_batch_idx + 1:06d}" * (self.occasion.every_n_steps is not None)
            path = self.dirpath / f"epoch_{trainer.current_epoch + 1:04d}{batch}.csv"
            np.savetxt(path, matrix.numpy(), "%.6g", ",")


def _transferred(batch: Any, trainer: pl.Trainer) -> Any:
    """As a training step gets it."""
    batch = trainer.precision_plugin.convert_input(batch)
    batch = trainer.lightning_module._on_before_batch_transfer(batch, dataloader_idx=0)
    return trainer.strategy.batch_to_device(batch, dataloader_idx=0)
