"""Which rules of a GAN are the package's own, and so can be played on many samples and pairs at once."""

from __future__ import annotations

from mixgan_lightning import objectives
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
