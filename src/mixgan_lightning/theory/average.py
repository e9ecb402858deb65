"""One discriminator out of many: their average, where the measuring function is linear (paper, Theorem 5.3)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from mixgan_lightning.copies import copied
from mixgan_lightning.errors import GANError
from mixgan_lightning.gan import GAN
from mixgan_lightning.objectives import NeuralNetDistance, Objective, Wasserstein
from mixgan_lightning.scores import adversarial
from mixgan_lightning.theory.fold import Mixed, chances

LINEAR: tuple[type[Objective], ...] = (Wasserstein, NeuralNetDistance)  # f(x) = x, on D = s and on D = σ(s)


class AveragedDiscriminator(nn.Module):
    """D̄ = Σ_j w_j D_j, as scores for the GAN's own objective: s̄ = Σ w_j s_j, or σ(s̄) = Σ w_j σ(s_j) where D = σ(s).

    For f(x) = x the payoff is linear in D, so F(G, D̄) = Σ_j w_j F(G, D_j) for every generator and on every sample.

    Args:
        discriminators: T networks.
        weights: w, (T,), summing to 1.
        gan: whose ``score`` says how a discriminator is called.
        of_probabilities: whether D = σ(s).
    """

    weights: Tensor

    def __init__(self, discriminators: list[nn.Module], weights: Tensor, gan: GAN, of_probabilities: bool) -> None:
        super().__init__()
        self.components = nn.ModuleList(discriminators)
        self.register_buffer("weights", weights)
        self.gan = gan
        self.of_probabilities = of_probabilities

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scores (N,) of images (N, *sample shape) and, of a conditional GAN, labels (N,)."""
        batch: Any = images if labels is None else (images, labels)
        scores = torch.stack([adversarial(self.gan.score(d, images, batch)) for d in self.components], 1)
        if not self.of_probabilities:
            return scores @ self.weights.to(scores.dtype)
        log_w = self.weights.to(scores.dtype).log()
        fooled, sure = (log_w + logsigmoid(signed) for signed in (scores, -scores))
        return fooled.logsumexp(1) - sure.logsumexp(1)  # log D̄/(1 − D̄): no digits are lost near 0 and 1


def average_discriminator(model: Mixed) -> AveragedDiscriminator:
    """One discriminator that pays every generator what the mixture pays it: D̄ = Σ w_j D_j, for f(x) = x alone.

    For any other f, Σ_j w_j E f(D_j) is not E f(Σ_j w_j D_j): a concave f, such as log, pays the average more (Jensen).

    Args:
        model: a mixture of ``GAN``s with ``Wasserstein()`` or ``NeuralNetDistance()``. Its discriminators are copied,
            in eval mode.

    Returns:
        ``network(images, labels=None)`` -> scores (N,), for ``model.gan.objective``.

    Raises:
        GANError: another measuring function, a payoff of the user's own, or an unmodified GAN (its losses are its own).

    Example:
        >>> from mixgan_lightning import mix
        >>> model = mix(lambda: GAN(nn.Linear(8, 2), nn.Linear(2, 1), Wasserstein(), latent_dim=8), size=3)
        >>> critic, x, y = average_discriminator(model), torch.randn(64, 2), model.sample(64, seed=0)[0]
        >>> payoffs = [model.gan.payoff(d(x)[:, 0], d(y)[:, 0]) for d in model.discriminators]
        >>> torch.allclose(model.gan.payoff(critic(x), critic(y)), sum(payoffs) / 3, atol=1e-6)
        True
    """
    _check_linear(model.gan)
    parts: Any = copied(nn.ModuleList([model.gan, *model.discriminators]))
    gan, *networks = parts
    of_probabilities = isinstance(gan.objective, NeuralNetDistance)
    return AveragedDiscriminator(networks, chances(model.discriminators), gan, of_probabilities).eval()


def _check_linear(gan: Any) -> None:
    why = "average_discriminator: averaging is exact for f(x) = x alone"
    if not isinstance(gan, GAN):
        raise GANError(f"{why}, and the losses of an unmodified GAN are its own; mix a mixgan_lightning.GAN")
    if type(gan).payoff is not GAN.payoff:
        raise GANError(f"{why}, and {type(gan).__name__}.payoff is your own; use GAN.payoff")
    if not any(_plays(gan.objective, kind) for kind in LINEAR):
        raise GANError(
            f"{why}, and {type(gan.objective).__name__} has f(x) = {gan.objective.measuring_function}, of which "
            "the mixture's payoff is another than the average's; train with Wasserstein() or NeuralNetDistance()"
        )


def _plays(objective: Objective, kind: type[Objective]) -> bool:
    """Whether the objective's payoff is that of this kind."""
    own, methods = type(objective), ("payoff", "discriminator_loss")
    return isinstance(objective, kind) and all(getattr(own, name) is getattr(kind, name) for name in methods)
