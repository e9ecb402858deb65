"""T single GANs side by side, in one module: what a mixture has to beat."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.gan_factory import MakeGAN
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.module import MixGANModule
from mixgan_lightning.payoff import FullFakes, Pairs


class IndependentGANs(MixGANModule):
    r"""Generator i plays discriminator i alone; samples are drawn from the generators in equal shares.

    .. math::
        \min_{u_i} \max_{v_i} F(u_i, v_i), \quad i = 1 … T

    T single GANs trained apart, the baseline of a mixture of T: as many networks and as many samples a step as
    ``fakes="full"``, but T pairs instead of T² (cost ∝ T) and nothing learnt from each other. Each has the gradient,
    the penalty and the latents that it would have alone: latents are drawn for each generator anew, since GANs that
    share them would not be independent. They share the real batch, which each alone would see as well.

    Args:
        make_gan: a factory of ``GAN``s, called T times; see ``MixGANModule``.
        size: T; 5 as the paper's mixtures.
        log_probability_lr: 0: the weights stay uniform, as nothing says which GAN is the better one.
        options: of ``MixGANModule``; not ``num_discriminators``, ``fakes="split"``, or a schedule that watches the
            discriminators' loss, which would have all wait for each other.

    Raises:
        ConfigurationError: for these.

    Example:
        >>> from torch import nn
        >>> from mixgan_lightning import GAN
        >>> IndependentGANs(lambda: GAN(nn.Linear(100, 2), nn.Linear(2, 1)), size=3).generators.weights.tolist()
        [0.3333333432674408, 0.3333333432674408, 0.3333333432674408]
    """

    def __init__(
        self, make_gan: MakeGAN | None = None, size: int = 5, *, log_probability_lr: float | None = 0, **options: Any
    ) -> None:
        if log_probability_lr:
            raise ConfigurationError(
                f"log_probability_lr={log_probability_lr}: the weights of independent GANs are uniform and fixed; "
                "leave it out, or train a mixture"
            )
        if options.get("num_discriminators") not in (None, size):
            raise ConfigurationError(
                f"num_discriminators={options['num_discriminators']}: each of the {size} independent GANs has its own; "
                "leave it out"
            )
        super().__init__(make_gan, size, log_probability_lr=0, **options)
        self.alone = [
            Pairs(self.gan, Mixture([generator]), Mixture([discriminator]), FullFakes())  # type: ignore[arg-type]
            for generator, discriminator in zip(self.generators, self.discriminators, strict=True)
        ]  # a plain list: their networks stand in the two mixtures already

    @property
    def title(self) -> str:
        """What it is, in words."""
        return f"{len(self.generators)} independent GANs"

    def discriminator_losses(self, batch: Any) -> Tensor:
        """What D_i minimises against G_i, on the diagonal: (T, T)."""
        return _on_the_diagonal([pair.discriminator_losses(batch).squeeze() for pair in self.alone])

    def generator_losses(self, batch: Any) -> Tensor:
        """What G_i minimises against D_i, on the diagonal: (T, T)."""
        return _on_the_diagonal([pair.generator_losses(batch).squeeze() for pair in self.alone])

    def penalty(self, batch: Any, w_u: Tensor, w_v: Tensor) -> Tensor | None:
        """The sum of the GANs' penalties: each in full, as its loss is."""
        one = w_u.new_ones(1)
        terms = [term for pair in self.alone if (term := pair.penalty(batch, one, one)) is not None]
        return torch.stack(terms).sum() if terms else None


def _on_the_diagonal(losses: list[Tensor]) -> Tensor:
    """The matrix whose expectation under uniform weights is the mean of T losses, and its gradient that of their sum.

    A pair is played with w_ui · w_vi = 1/T². So T · L_i gives the mean, for the logs; T² · L_i the gradient of Σ L_i:
    each network's own, neither shrunk (SGD, gradient clipping, a penalty beside it) nor touched by the other GANs.
    """
    loss, size = torch.stack(losses), len(losses)
    return torch.diag(size * loss.detach() + size**2 * (loss - loss.detach()))
