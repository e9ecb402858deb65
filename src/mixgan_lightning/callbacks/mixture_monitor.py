"""The mixture weights of both players during training."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from mixgan_lightning import log_names
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.module import MixGANModule


class MixtureMonitor(pl.Callback):
    """Logs the weights w of both players and how many components they use, exp H(w).

    One call every ``log_every_n_steps`` batches; the module itself logs losses, scores and the payoff's value then.
    """

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log, when Lightning hands values to the loggers."""
        if isinstance(pl_module, MixGANModule) and pl_module.is_logging_step:
            pl_module.log_dict(
                self.weights("generator", pl_module.generators)
                | self.weights("discriminator", pl_module.discriminators)
            )

    @staticmethod
    def weights(player: str, mixture: Mixture) -> dict[str, Any]:
        """A player's weights and effective number of components, under their log names."""
        found = {log_names.weight(player, i): w for i, w in enumerate(mixture.weights.detach().unbind())}
        return {log_names.effective(player): mixture.effective_size, **found}
