"""The duality gap of a whole game, estimated: what each player gains by a best response of its class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torch.utils._pytree import tree_leaves

from mixgan_lightning.errors import DataError, GANError, TrainingError
from mixgan_lightning.gan import GAN
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.options import check_count, check_seed
from mixgan_lightning.payoff import expectation
from mixgan_lightning.payoff.trees import each, first_rows, rows_of
from mixgan_lightning.sampling import chunk_seed, evaluating, own_stream
from mixgan_lightning.theory.best_response import Game, Sample
from mixgan_lightning.theory.matrix_gap import matrix_gap

LEAST = 4  # samples: two for each half


class HasGame(Protocol):
    """A mixture of GANs: what `mix` makes."""

    gan: Any
    generators: Mixture
    discriminators: Mixture

    @property
    def has_payoff(self) -> bool:
        """Whether its payoff F is known."""
        ...


@dataclass(frozen=True)
class DualityGapEstimate:
    """What two best responses reached, each trained for so many steps; all on the half that they have not seen."""

    best_discriminator: float
    """max_D' M(G, D'): what the generators' mixture pays to the discriminator that answers it best."""
    best_generator: float
    """min_G' M(G', D): what the generator that answers the discriminators' mixture best pays to it."""
    payoff: float
    """M(G, D) = w_uᵀ F w_v, of the players as they are; between the two, but for chance."""
    matrix_gap: float
    """What the best components that there are reach, `theory.matrix_gap` of F on the same half: a part of the gap."""
    steps: int
    """Of each best response's training."""
    train_samples: int
    """Real samples that the best responses were trained on."""
    held_out_samples: int
    """Real samples that all was measured on."""

    @property
    def gap(self) -> float:
        """DG = max_D' M(G, D') − min_G' M(G', D); negative where they did worse than the players."""
        return self.best_discriminator - self.best_generator

    @property
    def epsilon(self) -> float:
        """DG / 2: the pair is no ε-approximate equilibrium of a smaller ε (Definition 3), but for chance."""
        return self.gap / 2

    @property
    def is_negative(self) -> bool:
        """Whether the estimate is below 0, which no duality gap is."""
        return self.gap < 0


def duality_gap(
    model: HasGame, data: Any, *, steps: int = 500, batch_size: int = 64, seed: int = 0
) -> DualityGapEstimate:
    r"""DG = max_{D'} M(G, D') − min_{G'} M(G', D), M = E F: how far a mixture is from an equilibrium of the whole game.

    0 at an equilibrium and only there. The players are an ε-approximate equilibrium (paper, Definition 3) with
    V = (max + min) / 2 exactly when DG ≤ 2ε. `matrix_gap` asks the same of the components that there are; here each
    player may answer with any network of its class, so DG ≥ the matrix gap. F is the paper's payoff, on scores,
    whatever loss the generators minimise.

    **How** (Grnarova et al. 2018): against the frozen generators a copy of the best discriminator is trained to
    maximise M, against the frozen discriminators a copy of the best generator to minimise it, on every other sample;
    both are measured on the samples between. One network each is enough: M is linear in a mixture's weights, so no
    mixture of responses does better than the best of them. The optimisers are the GAN's own, with their
    hyper-parameters, at the learning rate that they begin with. D' is kept in its class by the GAN's penalty or
    clipping; what is measured is M alone.

    **How to read it.** A lower bound in expectation, of so many steps: a response that was not found makes it smaller.
    So compare estimates of equal steps, batch sizes and samples; where F has no bound (f = log of unbounded scores) and
    the players are far from an equilibrium, an estimate grows with the steps. Where the responses memorise their half,
    it may be below 0; it is returned as it is, with a warning: more samples, or fewer steps. The networks play in the
    mode that they are in, as in training; parameters, buffers, gradients and random streams are left as they were. The
    same model, data, seed and device give the same number.

    Args:
        model: what `mix` makes of a GAN with scores.
        data: real samples as one batch of the GAN: (N, *sample shape), or, conditional, (samples, labels); N ≥ 4, not
            sorted with a period of two. Rather held-out ones.
        steps: of each response; 500: seconds for a mixture of small networks. More find better responses.
        batch_size: real samples of a step, and as many fakes of each generator; 64, as the package's data.
        seed: of batches and latents.

    Raises:
        GANError: a model without scores: an unmodified GAN, or one with losses of its own.
        DataError: too few samples, of another shape than the generators', or not finite.
        ConfigurationError: a number of steps or samples below 1, a seed that is none.
        TrainingError: the model's own payoff is not finite.

    Example:
        >>> from torch import nn
        >>> from mixgan_lightning import GAN, mix
        >>> _ = torch.manual_seed(0)
        >>> model = mix(lambda: GAN(nn.Linear(2, 2), nn.Linear(2, 1), latent_dim=2), size=3)
        >>> found = duality_gap(model, torch.randn(400, 2) + 3, steps=50)  # untrained: far from an equilibrium
        >>> found.gap > 0, found.steps, found.held_out_samples
        (True, 50, 200)
    """
    gan = _with_payoff(model)
    check_count("steps", steps)
    check_count("batch_size", batch_size)
    seed_train, seed_held_out = (chunk_seed(check_seed(seed), half) for half in (0, 1))
    game = Game(gan, model.generators, model.discriminators)
    full_precision = torch.autocast(gan.like.device.type, enabled=False)  # whatever the training around it has
    with torch.inference_mode(False), torch.enable_grad(), full_precision:
        halves = _halves(gan, data, batch_size)
        _check_shape(model, halves[0])
        generator, discriminator = game.best_responses(halves[0], steps, seed_train)
        best_discriminator = game.value(halves[1], seed_held_out, discriminator=discriminator)
        best_generator = game.value(halves[1], seed_held_out, generator=generator)
        matrix = game.matrix(halves[1], seed_held_out)
        if not matrix.isfinite().all() or not math.isfinite(best_discriminator - best_generator):
            raise TrainingError("the payoff is NaN or infinite: the training has diverged, and there is no duality gap")
        w_u, w_v = (w.cpu().double() for w in game.weights)
        found = DualityGapEstimate(
            best_discriminator=best_discriminator,
            best_generator=best_generator,
            payoff=float(expectation(w_u, matrix.cpu().double(), w_v)),
            matrix_gap=float(matrix_gap(matrix, w_u, w_v)),
            steps=steps,
            train_samples=halves[0].n,
            held_out_samples=halves[1].n,
        )
    if found.is_negative:
        rank_zero_warn(
            f"duality_gap: the estimate is negative ({found.gap:.3g}): on {found.held_out_samples} samples the best "
            f"responses did worse than the players, by chance or by what they memorised of {found.train_samples}; use "
            "more data, or fewer steps"
        )
    return found


def _with_payoff(model: HasGame) -> GAN:
    if isinstance(model, GAN):
        raise GANError("duality_gap: expected a mixture, got one GAN; mix(make_gan, size=1) makes it a mixture of one")
    if not getattr(model, "has_payoff", False) or not isinstance(model.gan, GAN):
        raise GANError(
            f"duality_gap: {type(model).__name__} has no payoff: an unmodified GAN, or losses of one's own, keep their "
            "scores to themselves; neural_net_divergence(real, model.sample(n)[0], …) needs samples alone, matrix_gap "
            "a payoff matrix of your own; or write the networks and the objective as a mixgan_lightning.GAN"
        )
    return model.gan


def _check_shape(model: HasGame, sample: Sample) -> None:
    gan, generator, batch = model.gan, model.generators.components[0], first_rows(sample.batch, sample.n, 2)
    with own_stream(gan.like.device, 0), evaluating(gan, generator):
        made = tuple(gan.generate(generator, gan.latents(2, batch), batch).shape[1:])
    if (real := tuple(gan.images(batch).shape[1:])) != made:
        raise DataError(f"duality_gap: expected real samples of shape {made}, as the generators draw, got {real}")


def _halves(gan: GAN, data: Any, batch_size: int) -> list[Sample]:
    """Every other sample to train on, and those between to measure on, on the model's device."""
    if not isinstance(data, Tensor | tuple | list | Mapping):
        raise DataError(
            "duality_gap: expected real samples as one batch of the GAN, a tensor or (samples, labels), got "
            f"{type(data).__name__}; of a loader that is next(iter(loader))"
        )
    n = len(gan.images(data))
    if n < LEAST:
        raise DataError(
            f"duality_gap: expected at least {LEAST} real samples, two to train on and two held out, got {n}"
        )
    for leaf in tree_leaves(data):
        if isinstance(leaf, Tensor) and not leaf.isfinite().all():
            raise DataError("duality_gap: expected finite data, got NaN or infinity; clean them")
    like = gan.like
    # a copy: one that was made in inference mode can have no gradients
    there = each(lambda leaf: leaf.detach().clone().to(like if leaf.is_floating_point() else like.device), data)
    parts = [rows_of(there, n, slice(half, None, 2)) for half in (0, 1)]
    return [Sample(part, len(gan.images(part)), batch_size) for part in parts]
