"""Modes covered by the mixture during training, for mixtures of Gaussians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import torch
from torch import Tensor

from mixgan_lightning.callbacks.quality import QualityCallback, QualityOptions
from mixgan_lightning.data import PlanarGaussians
from mixgan_lightning.errors import DataError
from mixgan_lightning.evaluation import ModeCoverageMeasure, Scoring


class ModeCoverageCallback(QualityCallback):
    """Logs ``quality/modes``, ``quality/good_share`` and ``quality/reverse_kl`` (PacGAN, Lin et al. 2018).

    The modes are those of the datamodule.

    Args:
        num_samples: 2,500 as in PacGAN.
        options: of `QualityCallback`: every_n_epochs, every_n_steps, seed, components, weights.
    """

    def __init__(self, num_samples: int = 2_500, **options: Unpack[QualityOptions]) -> None:
        super().__init__([], num_samples, **options)

    def observe(
        self, datamodule: Any, images: Callable[[Any], Tensor], device: torch.device, *, shown: bool = True
    ) -> None:
        """Learn the modes from the datamodule."""
        if not isinstance(datamodule, PlanarGaussians):
            raise DataError(
                f"ModeCoverageCallback counts modes of GaussiansRing or GaussiansGrid, got {type(datamodule).__name__}"
            )
        others = [measure for measure in self.scoring.measures if not isinstance(measure, ModeCoverageMeasure)]
        modes = ModeCoverageMeasure(datamodule.centers, datamodule.sd)
        self.scoring = Scoring([modes, *others], None, self.scoring.num_samples)
        super().observe(datamodule, images, device, shown=shown)
