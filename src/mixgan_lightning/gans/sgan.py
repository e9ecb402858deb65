"""The GAN of the reference MIX+DCGAN: four losses, a two-headed discriminator, a frozen encoder, a mean image."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from mixgan_lightning.gan import GAN, MakeOptimizer
from mixgan_lightning.gans.encoding import fitted
from mixgan_lightning.networks import Encoder, SGANDiscriminator, SGANGenerator
from mixgan_lightning.objectives import Minimax
from mixgan_lightning.schedule import Balance, Schedule

ADAM: MakeOptimizer = partial(torch.optim.Adam, lr=1e-4, betas=(0.5, 0.999))  # reference; paper, Section 6


class SGAN(GAN):
    """The best DCGAN of Huang et al. 2016, which the paper mixes (Section 7.2), as its reference code has it.

    Images are seen as (x − x̄)/2, x̄ the mean training image: the reference's pixels in [0, 1], centred. D gives a logit
    l_k for each class; its score is log Σ_k exp l_k, so that D(x) = σ(score). With ½ [softplus(−s_real) +
    softplus(s_fake)] as the adversarial loss, the two players minimise

        D: adversarial + cross-entropy of l on labelled real images + 10 · mean (h' − h)²
        G: −softplus(s_fake) + cross-entropy of the encoder on G's images + 10 · mean (h' − h)²

    h' is what D's other head makes of G(h) (the "entropy loss", which keeps G from ignoring h). The encoder is a
    classifier, trained once on the training images when training starts, cached, and frozen: ``gans.encoding``.

    Source: the authors' code, github.com/PrincetonML/MIX-plus-GANs, cifar10/train_mixgan.py, but for two numerical
    details: Adam's ε is added outside the root, and log w has no 1e-6 added.

    Args:
        generator, discriminator, encoder: networks for the same shape of images, latents and classes.
        class_weight, encoder_weight, reconstruction_weight: 1, 1 and 10 in the reference.
        optimizer: default: Adam, lr 1e-4, betas (0.5, 0.999).
        n_critic: default: ``Balance()``, the reference's adaptive schedule.

    Latents are uniform on [0, 1), (N, latent_dim). Batches are (images, labels).

    Raises:
        DataError: when training starts, for batches without labels.

    Example:
        >>> from mixgan_lightning import mix
        >>> from mixgan_lightning.networks import Encoder, SGANDiscriminator, SGANGenerator
        >>> shape, classes = (3, 32, 32), 10
        >>> def make_gan():
        ...     networks = SGANGenerator(shape, classes, width=8), SGANDiscriminator(shape, classes, width=8)
        ...     return SGAN(*networks, Encoder(shape, classes, width=8))
        >>> model = mix(make_gan, size=5, fakes="full", entropy_weight=0.1)
    """

    def __init__(
        self,
        generator: SGANGenerator,
        discriminator: SGANDiscriminator,
        encoder: Encoder,
        *,
        class_weight: float = 1.0,
        encoder_weight: float = 1.0,
        reconstruction_weight: float = 10.0,
        optimizer: MakeOptimizer = ADAM,
        n_critic: int | Schedule | None = None,
    ) -> None:
        super().__init__(
            generator,
            discriminator,
            Minimax(),
            generator.latent_dim,
            optimizer=optimizer,
            num_classes=encoder.num_classes,
            n_critic=Balance() if n_critic is None else n_critic,
        )
        self.encoder = encoder.requires_grad_(False)
        self.class_weight, self.encoder_weight = class_weight, encoder_weight
        self.reconstruction_weight = reconstruction_weight
        self.register_buffer("mean_image", torch.zeros(encoder.sample_shape))

    mean_image: Tensor

    def prepare(self, batches: Iterable[Any]) -> None:
        """Learn the mean image and the encoder of the labelled training data."""
        images, labels = zip(*((self.images(batch), self.labels(batch)) for batch in batches), strict=True)
        everything = torch.cat(images)
        self.mean_image.copy_(everything.mean(0))
        seen = self._centred(everything.to(self.mean_image))
        fitted(self.encoder, seen, torch.cat(labels).to(seen.device))

    def _centred(self, images: Tensor) -> Tensor:
        return (images - self.mean_image) / 2

    def labels(self, batch: Any) -> Tensor:
        """The labels of a batch, (N,)."""
        return cast(Tensor, super().labels(batch))  # this GAN has classes

    def latents(self, n: int, batch: Any) -> Tensor:
        """h ~ U[0, 1)."""
        return torch.rand(n, self.latent_dim, device=self.like.device, dtype=self.like.dtype)

    def score(self, discriminator: nn.Module, images: Tensor, batch: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Scores (N,), logits of the classes (N, K), latents anew (N, latent_dim)."""
        logits, latents = discriminator(self._centred(images))
        return logits.logsumexp(1), logits, latents

    def discriminator_objective(self, real: Any, fake: Any, latents: Any, batch: Any) -> Tensor:
        adversarial = self.objective.discriminator_loss(real[0], fake[0]) / 2
        classes = cross_entropy(real[1], self.labels(batch))
        return adversarial + self.class_weight * classes + self._reconstruction(fake, latents)

    def generator_objective(self, fake: Any, real: Callable[[], Any], latents: Any, batch: Any) -> Tensor:
        return self.objective.generator_loss(fake[0]) + self._reconstruction(fake, latents)

    def generator_auxiliary(self, images: Tensor, latents: Any, batch: Any) -> Tensor:
        return self.encoder_weight * cross_entropy(self.encoder(self._centred(images)), self.labels(batch))

    def _reconstruction(self, fake: Any, latents: Tensor) -> Tensor:
        return self.reconstruction_weight * mse_loss(fake[2], latents)
