"""The best responses of a game: a copy of a player's best component, trained against the other player as it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor, nn
from torch.optim import Optimizer

from mixgan_lightning.copies import copied
from mixgan_lightning.gan import GAN
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.optimizers import for_one_network, own_optimizers
from mixgan_lightning.payoff import payoff_matrix
from mixgan_lightning.payoff.matrix import unchanged_buffers
from mixgan_lightning.payoff.trees import rows_of
from mixgan_lightning.sampling import own_stream
from mixgan_lightning.scores import adversarial, flattened, widened

Loss = Callable[[nn.Module, Any], Tensor]  # of a response, on a batch


@dataclass(frozen=True)
class Sample:
    """Real data as one batch of n samples, played in parts of about ``batch_size``."""

    batch: Any
    n: int
    batch_size: int

    def drawn(self) -> Any:
        """A batch with replacement, chosen by the CPU's stream: the same one on any device."""
        return rows_of(self.batch, self.n, torch.randint(self.n, (self.batch_size,)))

    def parts(self) -> list[Any]:
        """All of it, in parts that differ by one sample at most: BatchNorm sees no small last one."""
        parts = torch.arange(self.n).tensor_split(max(1, round(self.n / self.batch_size)))
        return [rows_of(self.batch, self.n, rows) for rows in parts]


@dataclass(frozen=True)
class Game:
    """M(w_u, w_v) = w_uᵀ F w_v of two frozen players, and each one's best response to the other."""

    gan: GAN
    generators: Mixture
    discriminators: Mixture

    @property
    def weights(self) -> tuple[Tensor, Tensor]:
        """w_u and w_v, without a graph."""
        return self.generators.weights.detach(), self.discriminators.weights.detach()

    def matrix(self, sample: Sample, seed: int) -> Tensor:
        """F, (Tu, Tv), on all of a sample."""
        return payoff_matrix(self.gan, self.generators, self.discriminators, sample.parts(), seed)

    def value(self, sample: Sample, seed: int, generator: Any = None, discriminator: Any = None) -> float:
        """M on all of a sample; with one network in the place of a player, if given."""
        w_u, w_v = self.weights
        us, w_u = (self.generators, w_u) if generator is None else (Mixture([generator]), w_u.new_ones(1))
        vs, w_v = (self.discriminators, w_v) if discriminator is None else (Mixture([discriminator]), w_v.new_ones(1))
        payoff = payoff_matrix(self.gan, us, vs, sample.parts(), seed)
        return float(w_u.double() @ payoff.double() @ w_v.double())

    def best_responses(self, sample: Sample, steps: int, seed: int) -> tuple[nn.Module, nn.Module]:
        """G', which minimises M(G', D), and D', which maximises M(G, D'), each trained for so many steps on a sample.

        Started from the component that does best on the sample, by the GAN's own optimisers, at a constant learning
        rate. One that training did not make better there is not taken: the component that it started from is.
        """
        w_u, w_v = self.weights
        payoff = self.matrix(sample, seed)
        best_u = self.generators.components[int((payoff @ w_v).argmin())]
        best_v = self.discriminators.components[int((w_u @ payoff).argmax())]
        generator, discriminator = _to_train("generator", best_u), _to_train("discriminator", best_v)
        with self.gan.holding(generator, discriminator):
            of_u, of_v = (own.optimizer for own in own_optimizers(self.gan))
        with unchanged_buffers(self.gan, self.generators, self.discriminators):
            self._train(generator, of_u, self._generators_loss, sample, steps, seed)
            self._train(discriminator, of_v, self._discriminators_loss, sample, steps, seed)
        self.gan.constrain(discriminator)
        values_u = [self.value(sample, seed, generator=network) for network in (best_u, generator)]
        values_v = [self.value(sample, seed, discriminator=network) for network in (best_v, discriminator)]
        _warn_of_diverged(generator=values_u[1], discriminator=values_v[1])
        best_u = generator if values_u[1] < values_u[0] else best_u
        best_v = discriminator if values_v[1] > values_v[0] else best_v
        return best_u, best_v

    def _train(
        self, network: nn.Module, optimizer: Optimizer, loss_of: Loss, sample: Sample, steps: int, seed: int
    ) -> None:
        optimizer = for_one_network(optimizer, network)
        own = [p for p in network.parameters() if p.requires_grad]
        with own_stream(self.gan.like.device, seed):
            for _ in range(steps if own else 0):
                optimizer.zero_grad()
                loss_of(network, sample.drawn()).backward(inputs=own)  # nothing for the frozen player's parameters
                optimizer.step()

    def _generators_loss(self, generator: nn.Module, batch: Any) -> Tensor:
        """M(G', D)."""
        latents = self.gan.latents(len(self.gan.images(batch)), batch)
        fakes = [self.gan.generate(generator, latents, batch)]
        beside = self.gan.fake_batch(latents, batch)
        of_each = [
            self._payoffs(fakes, discriminator, batch, beside).squeeze() for discriminator in self.discriminators
        ]
        return torch.stack(of_each) @ self.weights[1]

    def _discriminators_loss(self, discriminator: nn.Module, batch: Any) -> Tensor:
        """−M(G, D') and D's penalty, by the generators' weights: what keeps D' in the class."""
        gan, (w_u, _) = self.gan, self.weights
        gan.constrain(discriminator)
        images = gan.images(batch)
        with torch.no_grad():
            latents = gan.latents(len(images), batch)
            fakes = [gan.generate(generator, latents, batch) for generator in self.generators]
        loss = -(self._payoffs(fakes, discriminator, batch, gan.fake_batch(latents, batch)) @ w_u)
        for fake, w in zip(fakes, w_u, strict=True) if gan.has_penalty else ():
            term = gan.penalty(lambda x: adversarial(self._score(discriminator, x, batch)), images, fake)
            loss = loss if term is None else loss + w * term
        return loss

    def _payoffs(self, fakes: Sequence[Tensor], discriminator: nn.Module, batch: Any, beside: Any) -> Tensor:
        """F of one discriminator against each generator's fakes, (Tu,), with its graph."""
        real = adversarial(self._score(discriminator, self.gan.images(batch), batch))
        scored = (adversarial(self._score(discriminator, fake, beside)) for fake in fakes)
        return torch.stack([self.gan.payoff(real, fake) for fake in scored])

    def _score(self, discriminator: nn.Module, images: Tensor, batch: Any) -> Any:
        return widened(flattened(self.gan.score(discriminator, images, batch), len(images)))


def _to_train(player: str, network: nn.Module) -> nn.Module:
    """A copy that learns: all of it, where all is frozen, as Lightning's ``freeze`` does for an evaluation."""
    copy, parameters = copied(network), list(network.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        rank_zero_warn(f"every parameter of the {player}s is frozen: their best response trains all of its own copy")
        copy.requires_grad_(True)
    return copy


def _warn_of_diverged(**values: float) -> None:
    for player, value in values.items():
        if value != value:
            rank_zero_warn(
                f"the {player}'s best response diverged to NaN, and its start is taken instead: the estimate is "
                "smaller for it; the GAN's own optimiser may have too large a learning rate"
            )
