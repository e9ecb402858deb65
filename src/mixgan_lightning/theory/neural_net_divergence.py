"""The neural-network divergence: how well a fresh discriminator of a class tells two distributions apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mixgan_lightning.errors import ConfigurationError, DataError, GANError
from mixgan_lightning.gan import MakeOptimizer
from mixgan_lightning.objectives import NeuralNetDistance, Objective
from mixgan_lightning.options import check_count, check_seed
from mixgan_lightning.penalties import Penalty
from mixgan_lightning.sampling import CHUNK, chunk_seed, evaluating, own_stream
from mixgan_lightning.scores import adversarial, flattened

ADAM: MakeOptimizer = partial(torch.optim.Adam, lr=1e-3)  # measured: within .01 of the closed forms in 500 steps


class NeuralNetDivergence(NamedTuple):
    """What one discriminator of the class reached, after so many steps."""

    held_out: float
    """On the halves that it has not seen. In expectation at most the divergence of the class; it may be negative."""
    train: float
    """On the halves that it was trained on: above ``held_out`` by what it memorised."""
    undecided: float
    """The payoff of D = ½, which is subtracted from both; ``held_out + undecided`` is the payoff as it is."""
    steps: int
    """Of the discriminator's training."""


def neural_net_divergence(
    real: Tensor,
    fake: Tensor,
    make_discriminator: Callable[[], nn.Module],
    objective: Objective | None = None,
    *,
    penalty: Penalty | None = None,
    optimizer: MakeOptimizer = ADAM,
    steps: int = 1_000,
    batch_size: int = 64,
    seed: int = 0,
) -> NeuralNetDivergence:
    """d(μ, ν) = sup_D E_{x∼μ} f(D(x)) + E_{y∼ν} f(1 − D(y)) − 2 f(½) (paper, Definition 1), estimated from samples.

    A fresh D of the class is trained on every other sample of both and measured on those between, in eval mode: what
    it memorised does not count. The printed definition has f(D(1 − x)) for f(1 − D(y)), a slip, and leaves 2 f(½) out;
    with it, d = 0 for equal distributions whatever f is, and f(x) = x gives the paper's neural network distance.

    D sees each batch of both in one forward pass, so that its BatchNorm, if any, keeps statistics of the two together
    and D is one function. Nothing is drawn from the global random streams. The same samples, device and seed give the
    same value.

    Args:
        real: independent samples of μ, (M, *sample shape), M ≥ 2.
        fake: independent samples of ν, (N, *sample shape), N ≥ 2, not sorted with a period of two.
        make_discriminator: the class: a zero-argument function that builds a new D of samples, with scores (N,) first
            among its outputs. For a GAN's own class ``lambda: make_gan().discriminator``.
        objective: f, with what the score stands for. ``NeuralNetDistance()``, the default: f(x) = x, at most the total
            variation distance; ``Minimax()``: f = log, at most twice the Jensen-Shannon divergence; ``Wasserstein()``
            with a penalty: f(x) = x on a Lipschitz critic, at most its Lipschitz constant times the Wasserstein
            distance.
        penalty: what keeps D in the class, as in a GAN: ``WeightClipping(0.01)`` (paper, Figure 5),
            ``GradientPenalty()``. A constraint holds for the D that is measured as well.
        optimizer: ``optimizer(parameters) -> Optimizer``. Default: Adam, lr 1e-3.
        steps, batch_size: of D's training; in each step so many samples of both, drawn with replacement.
        seed: of D's initialisation and its batches.

    Raises:
        DataError: samples of unlike shapes, fewer than two, or not finite.
        GANError: a network instead of a function; a D that cannot take the samples, gives no score for each, gives
            scores that are not meant for the objective, or diverged.
        ConfigurationError: an f that is no objective, a number of steps or samples below 1, a seed that is none.

    Example:
        >>> from mixgan_lightning.networks import MLPDiscriminator
        >>> near, far = torch.randn(2_000, 2), torch.randn(2_000, 2) + torch.tensor([4.0, 0.0])
        >>> found = neural_net_divergence(near, far, lambda: MLPDiscriminator((2,)), steps=200)
        >>> round(found.held_out, 1)  # the total variation distance, 2 Φ(2) − 1, is .95
        0.9
    """
    objective = NeuralNetDistance() if objective is None else objective
    _check_options(make_discriminator, objective, penalty, steps=steps, batch_size=batch_size)
    _check_samples(real, fake)
    real, fake = real.detach(), fake.detach()
    full_precision = torch.autocast(real.device.type, enabled=False)  # whatever the training around it has
    stream = chunk_seed(check_seed(seed), 0)  # never the one that drew samples by this seed
    with own_stream(real.device, stream), torch.inference_mode(False), torch.enable_grad(), full_precision:
        critic = _Critic(make_discriminator().to(real), objective, penalty or Penalty())
        critic.train(real[::2], fake[::2], optimizer, steps, batch_size)
        train, held_out = (critic.measured(real[half::2], fake[half::2]) for half in (0, 1))
    scores = torch.tensor([objective.undecided], dtype=torch.float64)
    undecided = float(objective.payoff(scores, scores)) + 0.0  # no −0
    return NeuralNetDivergence(held_out - undecided, train - undecided, undecided, steps)


@dataclass(frozen=True)
class _Critic:
    """A discriminator, f, and what keeps it smooth."""

    network: nn.Module
    objective: Objective
    penalty: Penalty

    def scores(self, samples: Tensor) -> Tensor:
        try:
            found = adversarial(flattened(self.network(samples), len(samples)))
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise GANError(
                f"the discriminator cannot take samples of shape {tuple(samples.shape)} ({type(error).__name__}: "
                f"{error}); make_discriminator must build one of samples alone (no labels) of this shape"
            ) from error
        if not isinstance(found, Tensor) or tuple(found.shape) != (len(samples),):
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise GANError(
                f"the discriminator gives {got} for {len(samples)} samples; expected one score each, "
                f"({len(samples)},) or ({len(samples)}, 1), first among its outputs"
            )
        return found

    def train(self, real: Tensor, fake: Tensor, make_optimizer: MakeOptimizer, steps: int, batch_size: int) -> None:
        try:
            optimizer = make_optimizer(self.network.parameters())
        except (TypeError, ValueError) as error:  # an lr that is negative, an unknown argument …
            raise ConfigurationError(f"optimizer: {type(error).__name__}: {error}") from error
        self._check_scale(real[:2], fake[:2])
        for _ in range(steps):
            self.penalty.constrain(self.network)
            loss = self._loss(_some(real, batch_size), _some(fake, batch_size))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.penalty.constrain(self.network)

    def measured(self, real: Tensor, fake: Tensor) -> float:
        """The payoff on all of these samples, its mean in float64."""
        with evaluating(self.network):
            of_real, of_fake = (torch.cat([self.scores(c).double() for c in s.split(CHUNK)]) for s in (real, fake))
            found = float(self.objective.payoff(of_real, of_fake))
        if found != found:
            raise GANError("the discriminator diverged to NaN in its training; lower the learning rate of optimizer=")
        return found

    def _loss(self, real: Tensor, fake: Tensor) -> Tensor:
        of_real, of_fake = self.scores(torch.cat([real, fake])).split([len(real), len(fake)])
        loss = self.objective.discriminator_loss(of_real, of_fake)
        term = self.penalty.loss(self.scores, real, fake)
        return loss if term is None else loss + term

    def _check_scale(self, real: Tensor, fake: Tensor) -> None:
        with evaluating(self.network), torch.enable_grad():  # the scores' graph tells a sigmoid
            misfit = self.objective.misfit(self.scores(torch.cat([real, fake])))
        if misfit is not None:
            raise GANError(f"{type(self.objective).__name__} {misfit}")


def _some(samples: Tensor, n: int) -> Tensor:
    """n of the samples, chosen by the CPU's stream: the same ones on any device."""
    return samples[torch.randint(len(samples), (n,)).to(samples.device)]


def _check_options(make_discriminator: object, objective: object, penalty: object, **counts: object) -> None:
    if isinstance(make_discriminator, nn.Module) or not callable(make_discriminator):
        raise GANError(
            "make_discriminator: expected a function that builds a new discriminator, got "
            f"{type(make_discriminator).__name__}; each estimate trains one from the start: pass lambda: MyNetwork(...)"
        )
    if not isinstance(objective, Objective):
        raise ConfigurationError(
            "objective: expected an object of mixgan_lightning.objectives, such as NeuralNetDistance() (f = x) or "
            f"Minimax() (f = log), got {objective!r}"
        )
    if not isinstance(penalty, Penalty | None):
        raise ConfigurationError(f"penalty: expected an object such as WeightClipping(0.01), or None, got {penalty!r}")
    for name, value in counts.items():
        check_count(name, value)


def _check_samples(real: Tensor, fake: Tensor) -> None:
    for name, samples in (("real", real), ("fake", fake)):
        if not isinstance(samples, Tensor):
            raise DataError(f"{name}: expected a tensor of samples, (N, *shape), got {type(samples).__name__}")
    if real.ndim < 2 or real.shape[1:] != fake.shape[1:]:
        raise DataError(
            f"expected real and fake samples of one shape, (M, *shape) and (N, *shape), got {tuple(real.shape)} and "
            f"{tuple(fake.shape)}"
        )
    for name, samples in (("real", real), ("fake", fake)):
        if len(samples) < 2:
            raise DataError(f"expected at least 2 {name} samples, one to train on and one held out, got {len(samples)}")
        if bad := int((~torch.isfinite(samples)).flatten(1).any(1).sum()):
            raise DataError(f"expected finite samples, got NaN or infinity in {bad} of the {len(samples)} {name} ones")
