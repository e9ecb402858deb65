"""The inception score of the mixture during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Unpack

from torch import nn

from mixgan_lightning.callbacks.quality import QualityCallback, QualityOptions
from mixgan_lightning.evaluation import InceptionScoreMeasure, Measure

MANY_SAMPLES = 5_000  # below it a split would hold too few samples for its score to mean anything


class InceptionScoreCallback(QualityCallback):
    """Logs ``quality/inception_score/{mean,std}`` (Salimans et al. 2016), and what else is asked of the same samples.

    Args:
        features: images -> logits; the network that the score is computed with.
        num_samples: 50,000 as in the paper; None: as many as there are held-out real samples.
        splits: default: 10 as in the paper, 1 below 5,000 samples and for num_samples=None.
        also: other measures of the same samples, in the same pass; in configs by name, null for one left out.
        options: of `QualityCallback`: every_n_epochs, every_n_steps, seed, components, weights.

    Example:
        >>> from mixgan_lightning.features import DigitsClassifier
        >>> callback = InceptionScoreCallback(DigitsClassifier(), num_samples=1_000, every_n_epochs=10)
    """

    def __init__(
        self,
        features: nn.Module,
        num_samples: int | None = 50_000,
        splits: int | None = None,
        also: Sequence[Measure] | Mapping[str, Measure | None] = (),
        **options: Unpack[QualityOptions],
    ) -> None:
        if splits is None:
            splits = 10 if num_samples is not None and num_samples >= MANY_SAMPLES else 1
        named = also.values() if isinstance(also, Mapping) else also
        others = [measure for measure in named if measure is not None]
        super().__init__([InceptionScoreMeasure(splits), *others], num_samples, features, **options)
