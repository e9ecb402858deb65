"""The inception score of the mixture during training."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from mixgan_lightning.callbacks.measures import InceptionScoreMeasure, Measure
from mixgan_lightning.callbacks.quality import QualityCallback

MANY_SAMPLES = 5_000  # below it a split would hold too few samples for its score to mean anything


class InceptionScoreCallback(QualityCallback):
    """Logs ``quality/inception_score/{mean,std}`` (Salimans et al. 2016), and what else is asked of the same samples.

    Args:
        features: images -> logits; the network that the score is computed with.
        num_samples: 50,000 as in the paper; None: as many as there are held-out real samples.
        splits: default: 10 as in the paper, 1 below 5,000 samples and for num_samples=None.
        every_n_epochs: how often.
        seed: of the samples.
        also: other measures of the same samples.

    Example:
        >>> from mixgan_lightning.features import DigitsClassifier
        >>> callback = InceptionScoreCallback(DigitsClassifier(), num_samples=1_000, every_n_epochs=10)
    """

    def __init__(
        self,
        features: nn.Module,
        num_samples: int | None = 50_000,
        splits: int | None = None,
        every_n_epochs: int = 1,
        seed: int = 0,
        also: Sequence[Measure] = (),
    ) -> None:
        if splits is None:
            splits = 10 if num_samples is not None and num_samples >= MANY_SAMPLES else 1
        super().__init__([InceptionScoreMeasure(features, splits), *also], num_samples, every_n_epochs, seed)
