"""What measures see of a batch of samples: the samples, their features, their numbers; computed once for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mixgan_lightning.errors import DataError
from mixgan_lightning.sampling import evaluating


@dataclass(frozen=True)
class Seen:
    """One batch of samples as measures see it."""

    samples: Tensor
    """(N, *sample shape), images in [−1, 1]."""
    index: Tensor
    """The number of each sample in the whole set, (N,)."""
    logits: Tensor | None = None
    """``features(samples)``, (N, classes); None without features."""
    embedding: Tensor | None = None
    """``features.embedding(samples)``, (N, d); None where the features have no such method."""

    def to(self, device: torch.device) -> Seen:
        """The same on another device."""
        logits = None if self.logits is None else self.logits.to(device)
        embedding = None if self.embedding is None else self.embedding.to(device)
        return Seen(self.samples.to(device), self.index, logits, embedding)


def see(features: nn.Module | None, samples: Tensor, index: Tensor) -> Seen:
    """Run the features once, in eval mode and without gradients.

    Features are any ``nn.Module`` that maps samples to logits (N, classes). With a method ``embedding(samples)`` ->
    (N, d) they serve distances as well; and with ``logits(embedding)`` too, one forward pass serves both.

    Raises:
        DataError: features of another shape, or NaN or infinity in them.
    """
    if features is None:
        return Seen(samples, index)
    with evaluating(features):
        logits, embedding = _run(features, samples)
    _check("logits", logits, len(samples))
    if embedding is not None:
        _check("embedding", embedding, len(samples))
    return Seen(samples, index, logits, embedding)


def _run(features: Any, samples: Tensor) -> tuple[Any, Any]:
    if not has_embedding(features):
        return features(samples), None
    embedding = features.embedding(samples)
    return features.logits(embedding) if hasattr(features, "logits") else features(samples), embedding


def has_embedding(features: Any) -> bool:
    """Whether features serve distances: they have a method ``embedding``."""
    return callable(getattr(features, "embedding", None))


def _check(name: str, found: Any, n: int) -> None:
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != n or not found.is_floating_point():
        came = f"{found.dtype} of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise DataError(
            f"expected the features' {name} to be floating point of shape ({n}, width), got {came}; "
            "wrap the network so that it returns one row per sample"
        )
    bad = int((~torch.isfinite(found)).any(1).sum())
    if bad:
        raise DataError(
            f"expected finite features, got NaN or infinity in the {name} of {bad} of {n} samples; look at the "
            "samples: the generator may have diverged"
        )
