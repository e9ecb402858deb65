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
from mixgan_lightning.callbacks.occasion import Occasion, Occasional
from mixgan_lightning.fixed_batches import FixedBatches
from mixgan_lightning.gan import GAN
from mixgan_lightning.module import MixGANModule
from mixgan_lightning.theory import matrix_gap, nash_weights


class PayoffMonitor(Occasional):
    """Logs F as a picture and a table, its gap, and its equilibrium beside the learnt weights, over ``images_seen``.

    The gap is max_j (w_uᵀF)_j − min_i (F w_v)_i (`theory.matrix_gap`), half of it the ε of the matrix game; the
    equilibrium is what its weights would be, and its value, were this matrix the whole game (`theory.nash_weights`).

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
        self.fixed = FixedBatches(num_samples, seed)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Read what will be measured on."""
        if isinstance(pl_module, MixGANModule) and isinstance(pl_module.gan, GAN):
            self.fixed.read(pl_module)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Of a stream: keep the first batches."""
        if isinstance(pl_module, MixGANModule):
            self.fixed.see(pl_module, batch)

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure and log."""
        if not self.fixed.batches or not isinstance(module, MixGANModule):
            return
        if module.pairs.scores is None:  # losses of one's own, which play by other rules
            return
        matrix = self.fixed.payoff(module, trainer)
        if trainer.is_global_zero:
            self._show(trainer, module, matrix.cpu())

    def _show(self, trainer: pl.Trainer, module: MixGANModule, matrix: Tensor) -> None:
        w_u, w_v = (player.weights.detach().cpu() for player in (module.generators, module.discriminators))
        if not matrix.isfinite().all():
            rank_zero_warn("the payoff is NaN or infinite: the training has diverged")
            return
        log_values(trainer, module, _equilibrium(matrix, w_u, w_v))
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


def _equilibrium(matrix: Tensor, w_u: Tensor, w_v: Tensor) -> dict[str, float]:
    """How far the weights are from the matrix's equilibrium, and what that is, under log names."""
    nash = nash_weights(matrix)
    found = {log_names.PAYOFF_GAP: float(matrix_gap(matrix, w_u, w_v)), log_names.PAYOFF_NASH_VALUE: nash.value}
    for player, weights in (("generator", nash.w_u), ("discriminator", nash.w_v)):
        found |= {log_names.nash_weight(player, i): w for i, w in enumerate(weights.tolist())}
    return found
