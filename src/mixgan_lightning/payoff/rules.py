"""Which rules of a GAN are the package's own, and so can be played on many pairs at once; what the others give."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mixgan_lightning import objectives
from mixgan_lightning.errors import GANError
from mixgan_lightning.gan import GAN


def is_default(gan: GAN, method: str) -> bool:
    """Whether the GAN leaves a method as ``GAN`` has it."""
    return getattr(getattr(gan, method), "__func__", None) is getattr(GAN, method)


def is_ours(gan: GAN, rule: str) -> bool:
    """Whether a rule of the GAN, and its objective, are the package's: played on all pairs at once."""
    return is_default(gan, rule) and type(gan.objective).__module__ == objectives.__name__


def needs_batch(gan: GAN, method: str) -> bool:
    """Whether what the GAN makes of latents (``generate``) or images (``score``) depends on the batch beside them."""
    return gan.num_classes is not None or not (is_default(gan, method) and is_default(gan, "labels"))


def scalar(rule: str, loss: Any) -> Tensor:
    """What a rule gave for one pair, if it is one number.

    Raises:
        GANError: otherwise.
    """
    if not isinstance(loss, Tensor) or loss.ndim:
        got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise GANError(f"{rule}: expected a scalar tensor, got {got}; take the mean over the samples")
    return loss
