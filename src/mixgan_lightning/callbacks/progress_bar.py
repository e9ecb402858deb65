"""The progress bar of a run: short enough for 80 columns."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar

from mixgan_lightning import log_names


class ProgressBar(RichProgressBar):
    """Lightning's Rich bar with one short metric, the payoff's value, that fits into 80 columns."""

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """w_uᵀ F w_v, as last logged."""
        payoff = trainer.callback_metrics.get(log_names.PAYOFF_VALUE)
        return {} if payoff is None else {"payoff": f"{float(payoff):.3g}"}
