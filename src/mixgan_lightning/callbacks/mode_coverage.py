"""Modes covered by the mixture during training, for mixtures of Gaussians."""

from __future__ import annotations

import pytorch_lightning as pl

from mixgan_lightning.callbacks.measures import ModeCoverageMeasure
from mixgan_lightning.callbacks.quality import QualityCallback
from mixgan_lightning.data import PlanarGaussians
from mixgan_lightning.errors import DataError
from mixgan_lightning.mixture_module import MixtureModule


class ModeCoverageCallback(QualityCallback):
    """Logs ``quality/modes``, ``quality/good_share`` and ``quality/reverse_kl`` (PacGAN, Lin et al. 2018).

    The modes are those of the datamodule.

    Args:
        num_samples: 2,500 as in PacGAN.
        every_n_epochs: how often.
        seed: of the samples.
    """

    def __init__(self, num_samples: int = 2_500, every_n_epochs: int = 1, seed: int = 0) -> None:
        super().__init__([], num_samples, every_n_epochs, seed)

    def prepare(self, module: MixtureModule, datamodule: pl.LightningDataModule | None) -> None:
        """Learn the modes from the datamodule."""
        if not isinstance(datamodule, PlanarGaussians):
            raise DataError(
                f"ModeCoverageCallback counts modes of GaussiansRing or GaussiansGrid, got {type(datamodule).__name__}"
            )
        self.measures = [ModeCoverageMeasure(datamodule.centers, datamodule.sd)]
        super().prepare(module, datamodule)
