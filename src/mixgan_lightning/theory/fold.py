"""One network out of many: a mixture of generators folded into one (paper, Theorem 5.3, Lemmas 1 and 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mixgan_lightning.copies import copied
from mixgan_lightning.errors import ConfigurationError, GANError, SamplingError
from mixgan_lightning.gan import GAN, Conditions
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.options import check_not_negative


class Mixed(Protocol):
    """What is asked of a mixture of GANs; a ``MixGANModule`` is one."""

    gan: Any
    generators: Mixture
    discriminators: Mixture


class FoldedGenerator(nn.Module):
    """G(h₀, h) = Σ_i x_i(h₀) · G_i(h): one network whose samples are the mixture's, up to a small mass.

    x_i = s_{i−1} − s_i with the steps s_i = clamp((h₀ − z_i)/δ + ½, 0, 1), s_0 = 1, s_T = 0, that climb at the
    thresholds z_i = Φ⁻¹(w_1 + … + w_i). Each x lies in [0, 1] and they sum to 1; for h₀ ~ N(0, 1) component i is
    chosen alone with probability w_i, but in *bands* of width δ around the z_i, where neighbours blend.

    Differences from the paper's construction: it *adds* −M(1 − x_i) before the last ReLU of G_i, which disables a
    generator only where outputs are not negative, and images in [−1, 1] are; selecting needs no such thing. Its step
    is a difference of two ReLUs (printed with the sign turned round), which rounds away in float32 where δ is small:
    at δ = 1e-6 it errs by .125, the clamp by nothing outside the bands. And w need not be uniform.

    All T generators run on every row: T times the cost of sampling the mixture.

    Args:
        generators: T ≥ 1 networks.
        weights: w, (T,), summing to 1; zeros are welcome.
        delta: δ ≥ 0, the width of the bands. Default: 1e-3, a wrong mass of less than .0004 (T − 1). 0: hard steps,
            the mixture exactly, but no continuous function of h₀.
        gan: whose ``generate`` says how a generator is called; default: ``generator(latents)``, or with labels.

    Attributes:
        thresholds: z, (T − 1,), a buffer; −∞ or ∞ beside components without weight.
        delta: δ.
        wrong_mass: bounds the probability that h₀ lies in a band, and so the total variation distance between the
            law of the output and the mixture: δ Σ_i max φ over band i, about δ Σ_i φ(z_i).

    Example:
        >>> pair = FoldedGenerator([nn.Identity(), nn.Flatten(-2)], torch.tensor([0.5, 0.5]), delta=0.1)
        >>> pair.select(torch.tensor([-1.0, 0.02, 1.0]))
        tensor([[1.0000, 0.0000],
                [0.3000, 0.7000],
                [0.0000, 1.0000]])
        >>> round(pair.wrong_mass, 4)  # .1 φ(0)
        0.0399
    """

    thresholds: Tensor

    def __init__(
        self, generators: Sequence[nn.Module], weights: Tensor, delta: float = 1e-3, gan: GAN | None = None
    ) -> None:
        super().__init__()
        self.delta = check_not_negative("delta", delta)
        self.components = nn.ModuleList(generators)
        self.gan = gan
        z = thresholds_of(weights)
        self.register_buffer("thresholds", z.to(weights.dtype))
        # φ is convex beyond ±1: at z itself it is not quite the largest of its band
        densities = map(_density, (z.abs() - self.delta / 2).clamp(min=0).tolist())
        self.wrong_mass = min(1.0, self.delta * sum(densities))

    def select(self, h0: Tensor) -> Tensor:
        """x(h₀), (N, T), of h₀ (N,)."""
        above = h0.reshape(-1, 1) - self.thresholds
        steps = (above / self.delta + 0.5).clamp(0, 1) if self.delta else (above > 0).to(above.dtype)
        first = torch.ones_like(h0.reshape(-1, 1))
        steps = torch.cat([first, steps, torch.zeros_like(first)], 1)
        return steps[:, :-1] - steps[:, 1:]

    def forward(self, h0: Tensor, latents: Any, labels: Tensor | None = None) -> Tensor:
        """Samples (N, *sample shape).

        Args:
            h0: (N,), standard normal: chooses the generator.
            latents: h, N rows as ``model.gan.latents`` gives them.
            labels: of a conditional GAN, (N,).
        """
        chosen, parts = self.select(h0), []
        following = torch.jit.is_tracing() or torch.compiler.is_compiling()  # for a graph, of any number of rows
        for i, generator in enumerate(self.components):
            made = self._made(generator, latents, labels)
            if not following and len(made) != len(h0):
                raise ConfigurationError(f"h0: expected a number for each of {len(made)} latents, got {len(h0)}")
            share = chosen[:, i].reshape(-1, *[1] * (made.ndim - 1)).to(made.dtype)
            parts.append(torch.where(share == 0, 0, share * made))  # 0 of one not chosen, even where it gives NaN
        return torch.stack(parts).sum(0)

    def _made(self, generator: nn.Module, latents: Any, labels: Tensor | None) -> Tensor:
        if self.gan is not None:
            return self.gan.generate(generator, latents, Conditions(None, labels))
        return generator(latents) if labels is None else generator(latents, labels)

    def extra_repr(self) -> str:
        return f"delta={self.delta:g}, wrong_mass<={self.wrong_mass:.2g}"


def fold(model: Mixed, delta: float = 1e-3) -> FoldedGenerator:
    """One network that samples as the mixture does (paper, Theorem 5.3): of an extra Gaussian h₀ and the latents h.

    Args:
        model: a mixture, such as ``mix(...)`` gives. Its generators are copied, in eval mode: what is trained
            afterwards does not change the folded network.
        delta: see `FoldedGenerator`.

    Returns:
        ``network(h0, latents, labels=None)`` -> samples (N, *sample shape), with ``wrong_mass``.

    Raises:
        GANError: what is no mixture.
        SamplingError: an unmodified GAN whose samples are no function of latents: its generator draws them itself, or
            several networks work together; or one that has not seen a batch yet.
        ConfigurationError: a negative delta.

    Example:
        >>> from mixgan_lightning import mix
        >>> model = mix(lambda: GAN(nn.Linear(100, 2), nn.Linear(2, 1)), size=3)
        >>> network = fold(model)
        >>> network(torch.randn(64), torch.randn(64, 100)).shape, round(network.wrong_mass, 5)
        (torch.Size([64, 2]), 0.00073)
    """
    if not hasattr(model, "generators"):
        raise GANError(f"fold: expected a mixture, such as mix(make_gan, size=1), got {type(model).__name__}")
    if not model.gan.takes_latents:
        raise SamplingError(
            "samples of this GAN are no function of latents that one network is given: it draws them itself, or "
            "several work together; sample the mixture (model.sample), or write a mixgan_lightning.GAN with one "
            "generator"
        )
    parts: Any = copied(nn.ModuleList([model.gan, *model.generators]))
    gan, *generators = parts
    plain = type(gan).generate is GAN.generate
    folded = FoldedGenerator(generators, chances(model.generators), delta, None if plain else gan)
    return folded.eval()


def chances(mixture: Mixture) -> Tensor:
    """w as ``Mixture.choose`` draws by them: a softmax in float64, in the networks' precision and on their device."""
    return mixture.log_probabilities.detach().double().softmax(0).to(mixture.log_probabilities.dtype)


def thresholds_of(weights: Tensor) -> Tensor:
    """z_i = Φ⁻¹(w_1 + … + w_i), i = 1 … T − 1, in float64; summed from the nearer end, so that zeros give ±∞.

    Example:
        >>> thresholds_of(torch.tensor([0.0, 0.5, 0.5, 0.0]))
        tensor([-inf, 0., inf], dtype=torch.float64)
    """
    w = weights.detach().double()
    below, above = w.cumsum(0)[:-1], w.flip(0).cumsum(0).flip(0)[1:]
    return torch.where(below <= above, torch.special.ndtri(below), -torch.special.ndtri(above))


def _density(z: float) -> float:
    """φ(z)."""
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
