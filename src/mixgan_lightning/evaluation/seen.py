"""What measures see of a batch of samples: the samples, their features, their numbers; computed once for all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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


def see(features: nn.Module | None, samples: Tensor, index: Tensor, *, embedding: bool = True) -> Seen:
    """Run the features once, in eval mode, without gradients and in full float32 precision.

    Features are any ``nn.Module`` that maps samples to logits (N, classes). With a method ``embedding(samples)`` ->
    (N, d) they serve distances as well; and with a method ``logits(embedding)`` too, one forward pass serves both.

    Args:
        features: the module, or None.
        samples, index: see `Seen`.
        embedding: whether anything looks at the embedding.

    Raises:
        DataError: features of another shape, or NaN or infinity in them.
    """
    if features is None:
        return Seen(samples, index)
    with evaluating(features), _full_precision(samples.device):
        logits, found = _run(features, samples, embedding and has_embedding(features))
    _check("logits", logits, len(samples))
    if found is not None:
        _check("embedding", found, len(samples))
    return Seen(samples, index, logits, found)


def has_embedding(features: Any) -> bool:
    """Whether features serve distances: they have a method ``embedding`` (a layer of that name is none)."""
    return _is_method(getattr(features, "embedding", None))


def check_one_pass(features: Any, samples: Tensor) -> None:
    """Whether ``logits(embedding(samples))`` is what ``features(samples)`` gives, where features have both methods.

    Raises:
        DataError: when it is not; scores would be another network's.
    """
    if not (has_embedding(features) and _gives_logits(features)):
        return
    with evaluating(features), _full_precision(samples.device):
        apart, whole = features.logits(features.embedding(samples)), features(samples)
    alike = isinstance(whole, Tensor) and apart.shape == whole.shape
    if not alike or not torch.allclose(apart, whole, rtol=1e-3, atol=1e-4, equal_nan=True):
        raise DataError(
            f"{type(features).__name__}: expected logits(embedding(samples)) to be what features(samples) gives; make "
            "these methods agree, or rename one"
        )


def _gives_logits(features: Any) -> bool:
    return _is_method(getattr(features, "logits", None))


def _is_method(found: Any) -> bool:
    return callable(found) and not isinstance(found, nn.Module)


def _run(features: Any, samples: Tensor, embedding: bool) -> tuple[Any, Any]:
    if not embedding:
        return features(samples), None
    found = features.embedding(samples)
    return features.logits(found) if _gives_logits(features) else features(samples), found


@contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """No TensorFloat-32 and no autocast: a score must not depend on the training's precision."""
    cudnn: Any = torch.backends.cudnn
    backends: list[Any] = [torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn]
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "ieee"
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for backend, precision in zip(backends, before, strict=True):
            backend.fp32_precision = precision


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
