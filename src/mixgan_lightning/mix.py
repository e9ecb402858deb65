"""mix(): recognise the user's GAN, and build the module that trains it as a mixture."""

from __future__ import annotations

from typing import Any

from mixgan_lightning.gan_factory import MakeGAN
from mixgan_lightning.module import MixGANModule


def mix(make_gan: MakeGAN, size: int = 5, **options: Any) -> MixGANModule:
    """Turn a GAN into MIX+ of ``size`` such GANs.

    Args:
        make_gan: builds one GAN with fresh parameters: its class, a zero-argument function, an import path such as
            ``"my_project.gans.MyGAN"``, or a config with a ``_target_``. Never a built GAN: T calls give T independent
            initialisations. What it builds is recognised in this order: a ``mixgan_lightning.GAN`` (two networks and an
            objective); a LightningModule as it is, whose manual ``training_step`` plays both players, or takes
            ``optimizer_idx``; a module with ``generator_loss(batch)`` and ``discriminator_loss(batch)``.
        size: T, the number of generators and, unless said otherwise, of discriminators.
        options: ``num_discriminators``, ``fakes``, ``judges``, ``evaluation``, ``recompute``, ``compiled``,
            ``entropy_weight``, ``log_probability_lr``, ``weighting``, ``n_critic``, ``gradient_clip``, ``players``,
            ``share``: see ``MixGANModule``.

    Raises:
        GANError: when ``make_gan`` is no factory of GANs, or its GAN cannot be mixed: why, and how to mend it.
        ConfigurationError: for an option out of range.

    Example:
        >>> from torch import nn
        >>> from mixgan_lightning import GAN
        >>> model = mix(lambda: GAN(nn.Linear(16, 2), nn.Linear(2, 1), latent_dim=16), size=5)
        >>> len(model.generators)
        5
    """
    return MixGANModule(make_gan, size, **options)
