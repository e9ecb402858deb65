"""The neural-network divergence of the mixture from real data during training."""

from __future__ import annotations

from typing import Unpack

from mixgan_lightning.callbacks.quality import QualityCallback, QualityOptions
from mixgan_lightning.evaluation import NeuralNetDivergenceMeasure


class NeuralNetDivergenceCallback(QualityCallback):
    """Logs ``quality/neural_net_divergence`` over ``images_seen`` (paper, Definition 1 and Figure 5).

    It may stand beside other quality callbacks, and draws samples of its own.

    Args:
        measure: class of discriminators, objective, their training. Default: ``NeuralNetDivergenceMeasure()``.
        num_samples: default: as many as there are held-out real samples.
        options: of `QualityCallback`: every_n_epochs, every_n_steps, seed, components, weights.

    Example:
        >>> from mixgan_lightning.objectives import Wasserstein
        >>> from mixgan_lightning.penalties import WeightClipping
        >>> critic = NeuralNetDivergenceMeasure(objective=Wasserstein(), penalty=WeightClipping(0.01))
        >>> callback = NeuralNetDivergenceCallback(critic, every_n_epochs=5)
    """

    def __init__(
        self,
        measure: NeuralNetDivergenceMeasure | None = None,
        num_samples: int | None = None,
        **options: Unpack[QualityOptions],
    ) -> None:
        super().__init__([NeuralNetDivergenceMeasure() if measure is None else measure], num_samples, **options)
