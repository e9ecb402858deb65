"""What one base GAN is: two networks, an objective, the law of the latents, optimisers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from mixgan_lightning.errors import DataError, GANError
from mixgan_lightning.objectives import NonSaturating, Objective
from mixgan_lightning.options import MANY, check_count
from mixgan_lightning.penalties import Penalty, Score
from mixgan_lightning.schedule import Schedule, as_schedule
from mixgan_lightning.scores import adversarial, flattened

MakeOptimizer = Callable[[Iterable[Parameter]], Optimizer]
MakeScheduler = Callable[[Optimizer], LRScheduler]

# Adam as Radford et al. 2016, Section 4 (DCGAN): what most GANs start from
ADAM: MakeOptimizer = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))


class Conditions(NamedTuple):
    """The batch while sampling: no images, and the labels to draw, (N,), or None."""

    images: None
    labels: Tensor | None


def images_of(batch: Any) -> Tensor:
    """The images of a batch: the batch itself, or the first entry of a sequence.

    Raises:
        DataError: for anything else.
    """
    if not isinstance(batch, Tensor | tuple | list) or not len(batch):
        raise DataError(
            f"expected batches of images, or (images, labels), got {type(batch).__name__}; override GAN.images "
            "(and GAN.labels) to say where they stand in it"
        )
    return batch if isinstance(batch, Tensor) else batch[0]


class GAN(nn.Module):
    """Two networks and the rules of their game; override a method to change a rule.

    In a mixture, T such GANs are built: their networks become components, and the first one's methods say how any
    generator plays any discriminator. So every method uses the network *that it is handed*, never ``self.generator``.

    Args:
        generator: ``generator(latents) -> images``; with ``num_classes``, ``generator(latents, labels)``.
        discriminator: ``discriminator(images) -> scores``, (N,) or (N, 1), any real numbers: no sigmoid at the end,
            except for ``BinaryCrossEntropy()``. It may give a tuple or dict that begins with them; see ``score``.
            With ``num_classes``, ``discriminator(images, labels)``.
        objective: what the players minimise.
        latent_dim: latents are standard normal, (N, latent_dim); 100 as in DCGAN. Override ``latents`` for others.
        penalty: weight clipping, gradient penalty or R1.
        optimizer: ``optimizer(parameters) -> Optimizer``, for both players. Default: Adam, lr 2e-4, betas (0.5, 0.999).
        discriminator_optimizer: the discriminators' own, where it differs.
        scheduler: ``scheduler(optimizer) -> LRScheduler``, for both players, stepped after every epoch. Default: none.
        num_classes: the GAN is conditional: batches are (images, labels) with labels in 0 … num_classes − 1.
        n_critic: discriminator steps per generator step, or a schedule.

    A *batch* is what the dataloader yields: images, or a sequence whose first two entries are images and labels.
    While sampling there are no images, and the batch is ``Conditions(None, labels)``.

    Networks beside the two (an InfoGAN's Q, an encoder) are attributes: all components share them, and the optimiser of
    ``configure_optimizers`` that holds their parameters trains them.

    Example:
        >>> from mixgan_lightning import mix
        >>> def make_gan():
        ...     return GAN(nn.Linear(100, 2), nn.Linear(2, 1))
        >>> model = mix(make_gan, size=3)
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        objective: Objective | None = None,
        latent_dim: int = 100,
        *,
        penalty: Penalty | None = None,
        optimizer: MakeOptimizer = ADAM,
        discriminator_optimizer: MakeOptimizer | None = None,
        scheduler: MakeScheduler | None = None,
        num_classes: int | None = None,
        n_critic: int | Schedule = 1,
    ) -> None:
        super().__init__()
        for player, network in (("generator", generator), ("discriminator", discriminator)):
            if not isinstance(network, nn.Module):
                raise GANError(f"{player}: expected a built network (nn.Module), got {network!r}; build it first")
        self.generator = generator
        self.discriminator = discriminator
        for name, given, method in (("objective", objective, "generator_loss"), ("penalty", penalty, "constrain")):
            if isinstance(given, type):
                raise GANError(f"{name}: expected an object, got the class {given.__name__}; write {given.__name__}()")
            if given is not None and not hasattr(given, method):
                raise GANError(f"{name}: expected an object of mixgan_lightning's {name} classes, got {given!r}")
        if isinstance(optimizer, Optimizer) or isinstance(discriminator_optimizer, Optimizer):
            raise GANError(
                "optimizer: expected a function of parameters, such as partial(Adam, lr=2e-4), got a built one"
            )
        self.objective = objective or NonSaturating()
        self.latent_dim = latent_dim
        self.smoothness = penalty or Penalty()
        self.make_generator_optimizer = optimizer
        self.make_discriminator_optimizer = discriminator_optimizer or optimizer
        self.make_scheduler = scheduler
        self.num_classes = None if num_classes is None else check_count("num_classes", num_classes, MANY)
        self.schedule = as_schedule(n_critic)
        self.register_buffer("like", torch.empty(0), persistent=False)  # the device and dtype of the latents

    like: Tensor
    can_draw = True  # at any time: latents need no batch
    takes_latents = True  # samples are a function of latents that may be handed in

    def images(self, batch: Any) -> Tensor:
        """The real images of a batch, (N, *sample shape). Override where they stand elsewhere."""
        return images_of(batch)

    def labels(self, batch: Any) -> Tensor | None:
        """The labels of a batch, (N,); None for an unconditional GAN."""
        if self.num_classes is None:
            return None
        if isinstance(batch, Tensor) or len(batch) < 2:
            raise DataError(
                f"this GAN is conditional ({self.num_classes} classes): expected batches (images, labels), got images "
                "alone; yield labels from the dataset, or build the GAN without num_classes"
            )
        return batch[1]

    def latents(self, n: int, batch: Any) -> Any:
        """n latents h ~ D_h: here N(0, I), (n, latent_dim). Override for any law and shape; tuples are welcome."""
        return torch.randn(n, self.latent_dim, device=self.like.device, dtype=self.like.dtype)

    def fake_batch(self, latents: Any, batch: Any) -> Any:
        """What stands in the batch's place where fakes are scored: here the batch, whose labels the fakes were made of.

        Override where fakes have labels of their own, drawn with the latents: ``return batch[0], latents[1]``.
        """
        return batch

    def generate(self, generator: nn.Module, latents: Any, batch: Any) -> Tensor:
        """G(h): images, (N, *sample shape)."""
        labels = batch.labels if isinstance(batch, Conditions) else self.labels(batch)
        return generator(latents) if labels is None else generator(latents, labels)

    def score(self, discriminator: nn.Module, images: Tensor, batch: Any) -> Any:
        """s(x): scores, (N,); or any tuple, list or dict of tensors with N rows, the scores first (two-headed D)."""
        labels = self.labels(batch)
        outputs = discriminator(images) if labels is None else discriminator(images, labels)
        return flattened(outputs, len(images))

    def discriminator_objective(self, real: Any, fake: Any, latents: Any, batch: Any) -> Tensor:
        """What one discriminator minimises against one generator, without the penalty; a scalar.

        All four arguments have the same rows: ``real`` and ``fake`` are what ``score`` gave, scores (N,) or a tuple
        that begins with them; the fakes were made from ``latents`` and ``batch``.
        """
        return self.objective.discriminator_loss(adversarial(real), adversarial(fake))

    def generator_objective(self, fake: Any, real: Callable[[], Any], latents: Any, batch: Any) -> Tensor:
        """What one generator minimises against one discriminator; a scalar.

        ``fake`` is what ``score`` gave; ``real()`` gives the same of the real images, computed only when it is called.
        """
        return self.objective.generator_loss(adversarial(fake))

    def generator_auxiliary(self, images: Tensor, latents: Any, batch: Any) -> Tensor | None:
        """What one generator minimises beside, whoever judges it; a scalar, or None: nothing (the default).

        Such as what a frozen classifier says of its ``images``. It is part of each of the generator's pair losses, so
        weighted by w_ui.
        """
        return None

    def prepare(self, batches: Iterable[Any]) -> None:
        """Called before training: what a GAN learns of the data beforehand, a mean image or a classifier of them.

        ``batches``: all training data once, in their order, in main memory; it may be iterated repeatedly. What is
        learnt belongs into buffers and parameters: the checkpoint keeps them, and of several processes the first
        alone is asked and the others take over what it learnt.
        """

    def payoff(self, real: Tensor, fake: Tensor) -> Tensor:
        """F(u, v) (Eq. 6) on adversarial scores (N,): without penalties and auxiliary terms."""
        return self.objective.payoff(real, fake)

    def penalty(self, discriminator: Score, real: Tensor, fake: Tensor) -> Tensor | None:
        """The penalty on one discriminator, a scalar or None. ``discriminator(images)``: scores (N,), labels bound."""
        return self.smoothness.loss(discriminator, real, fake)

    @property
    def has_penalty(self) -> bool:
        """Whether there is a penalty at all: an own ``penalty`` method, or one given that adds a loss."""
        return type(self).penalty is not GAN.penalty or type(self.smoothness).loss is not Penalty.loss

    def constrain(self, discriminator: nn.Module) -> None:
        """Called before each discriminator step on each discriminator (weight clipping)."""
        self.smoothness.constrain(discriminator)

    def configure_optimizers(self) -> Any:
        """The two optimisers (and schedulers) of a single GAN, in any of Lightning's forms.

        A mixture calls this on each of its T GANs and joins the parameters: still two optimisers. Override it to have
        one of them train a further network, too.
        """
        if type(self).configure_optimizers is GAN.configure_optimizers:
            self._warn_of_untrained()
        optimizers = (
            self.make_generator_optimizer(self.generator.parameters()),
            self.make_discriminator_optimizer(self.discriminator.parameters()),
        )
        return (optimizers, [*map(self.make_scheduler, optimizers)]) if self.make_scheduler else optimizers

    def _warn_of_untrained(self) -> None:
        """A further network that would never learn is most likely forgotten."""
        for name, network in self.named_children():
            if name not in ("generator", "discriminator") and any(p.requires_grad for p in network.parameters()):
                rank_zero_warn(
                    f"{type(self).__name__}.{name} will not learn: the default optimisers hold the generator's and the "
                    "discriminator's parameters alone; override configure_optimizers and add its parameters to one of "
                    f"the two, or freeze it: {name}.requires_grad_(False)"
                )

    @contextmanager
    def holding(self, generator: nn.Module, discriminator: nn.Module) -> Iterator[None]:
        """Give the GAN its two networks back for a while (a GAN in a mixture holds none)."""
        self.generator, self.discriminator = generator, discriminator
        try:
            yield
        finally:
            self.release()

    def release(self) -> tuple[nn.Module, nn.Module]:
        """Take the two networks out: in a mixture they belong to the components."""
        return self._modules.pop("generator"), self._modules.pop("discriminator")  # type: ignore[return-value]

    def __getattr__(self, name: str) -> Any:
        if name in ("generator", "discriminator") and name not in self._modules:
            raise AttributeError(
                f"a GAN in a mixture has no {name} of its own; use the network that the method was handed"
            )
        return super().__getattr__(name)
