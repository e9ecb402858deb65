"""Feature matching (Salimans et al. 2016, Improved Techniques for Training GANs)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from mixgan_lightning.gan import GAN


class ImprovedGAN(GAN):
    """The generator matches the mean features of the data instead of fooling the discriminator (Section 3.1).

    G minimises ‖E f(x) − E f(G(h))‖², f the discriminator's activations before its last layer; D plays its objective
    as usual. A norm of means is no mean over samples: on the parts of a batch that ``split`` plays it is biased upward,
    the more so the smaller they are; ``fakes="full"`` estimates it as a plain GAN does. The same goes for minibatch
    discrimination, which may be an option of D.

    Args:
        discriminator: with methods ``features(images)`` (and labels, for a conditional GAN) and ``judge(features)``,
            such as ``DCGANDiscriminator``.
        others: see ``GAN``.

    Example:
        >>> from mixgan_lightning import mix
        >>> from mixgan_lightning.networks import DCGANDiscriminator, DCGANGenerator
        >>> shape = (1, 8, 8)
        >>> model = mix(lambda: ImprovedGAN(DCGANGenerator(shape), DCGANDiscriminator(shape)), size=3, fakes="full")
    """

    def score(self, discriminator: nn.Module, images: Tensor, batch: Any) -> tuple[Tensor, Tensor]:
        """Scores (N,), features (N, F)."""
        network: Any = discriminator
        labels = self.labels(batch)
        features = network.features(images) if labels is None else network.features(images, labels)
        return network.judge(features), features

    def generator_objective(self, fake: Any, real: Callable[[], Any], latents: Any, batch: Any) -> Tensor:
        return (real()[1].mean(0) - fake[1].mean(0)).square().sum()
