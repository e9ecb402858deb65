"""An unmodified GAN in a mixture: the user's modules, and samples of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from mixgan_lightning.errors import SamplingError
from mixgan_lightning.gan_factory import check_independent
from mixgan_lightning.processes import everyones, summed
from mixgan_lightning.replay.drawing import Rows, Script, Way, find_way, joined
from mixgan_lightning.replay.hosts import Hosts
from mixgan_lightning.replay.players import PLAYERS
from mixgan_lightning.replay.rehearsal import Arguments, Call, Rehearsal, Until
from mixgan_lightning.replay.styles import Style, check_plays
from mixgan_lightning.replay.template import Template, images_in
from mixgan_lightning.sampling import own_stream

ROWS = 4  # of the rehearsals that tell how samples are drawn: BatchNorm needs more than one


class ReplayedGAN(nn.Module):
    """The user's modules, and samples of them drawn as `drawing` says.

    Args:
        built: the modules, each built anew by the user's factory.
        players: see ``mix``.
        share: see ``mix``.

    Attributes:
        style: how they play a batch; set once that is known.
        template: what a batch looks like; from the first one of the training, or from a checkpoint.
        living: the module of a pair, with what its hooks have set; while there is one.
    """

    like: Tensor
    style: Style

    def __init__(self, built: Sequence[nn.Module], players: Sequence[str] | None, share: Sequence[str]) -> None:
        super().__init__()
        check_plays(built[0])
        self.hosts = Hosts(built, share, players)
        self.template: Template | None = None
        self.living: list[nn.Module] = []  # at most one; a list, for it is no part of this module
        self._way: Way | None = None
        self.register_buffer("like", torch.empty(0), persistent=False)

    def __getstate__(self) -> dict[str, Any]:
        """A copy makes pairs of its own."""
        return self.__dict__ | {"living": []}

    def release(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """Take the networks out: by player, what each host gives to the mixture.

        Raises:
            GANError: when they share parameters or start identical.
        """
        found = [[self.hosts.component(k, player) for k in range(len(self.hosts))] for player in PLAYERS]
        for components, player in zip(found, PLAYERS, strict=True):
            check_independent(components, player)
        self.hosts.release()
        return found[0], found[1]

    # ---------------------------------------------------------------------------------------- batches

    def images(self, batch: Any) -> Tensor:
        """The images of a batch."""
        return images_in(batch)

    def labels(self, batch: Any) -> Tensor | None:
        """The labels of a batch, where samples depend on them."""
        return self.known().labels(batch) if self._found_way().conditional else None

    def known(self) -> Template:
        """What a batch looks like.

        Raises:
            SamplingError: where none was seen.
        """
        if self.template is None:
            raise SamplingError(
                "cannot draw samples of this GAN before it has seen a batch: train it, or load a checkpoint"
            )
        return self.template

    @property
    def num_classes(self) -> int | None:
        """How many labels there are, where samples depend on them."""
        return len(self.known().label_counts) if self._found_way().conditional else None

    @property
    def label_weights(self) -> Tensor | None:
        """How often each label was seen, where samples depend on them."""
        return torch.tensor(self.known().label_counts) if self._found_way().conditional else None

    @property
    def can_draw(self) -> bool:
        """Whether it is known what a batch looks like: from the first step on."""
        return self.template is not None

    @property
    def takes_latents(self) -> bool:
        """Whether samples are a function of latents that may be handed in: the generator is one network."""
        return self._found_way().by_arguments

    def observe(self, batch: Any) -> None:
        """Look at a training batch: what it is like, and the labels that all processes see in theirs."""
        if self.template is None:
            self.template = Template.of(batch)
            self.template.agree(everyones([leaf.labels for leaf in self.template.leaves]))
        labels = self.template.labels(batch)
        if labels is not None:
            self.template.count(summed(torch.bincount(labels)).tolist())

    # ---------------------------------------------------------------------------------------- drawing

    def latents(self, n: int, batch: Any) -> Any:
        """What the user's step feeds to its generator, n rows; ``batch.labels``, where given, are in its batch.

        Raises:
            SamplingError: where it is not known how to draw samples.
        """
        way, device = self._found_way(), self.like.device
        labels = torch.zeros(n, dtype=torch.int64) if batch.labels is None else batch.labels
        if not way.by_arguments:
            return Rows(Script(int(torch.randint(2**62, ()).item()), n, labels), torch.arange(n, device=device))
        return joined(self._drawn(n, labels), n)

    def generate(self, generator: nn.Module, latents: Any, batch: Any) -> Tensor:
        """What the generator of a component gives for ``latents``, or for a tensor of the user's own."""
        if isinstance(latents, Rows):
            script, rows = latents
            with own_stream(self.like.device, script.seed):
                drawn = self._drawn(script.n, script.labels, generator)
            return self._shaped(torch.cat([call.output.detach() for call in drawn])[rows])
        args, kwargs = latents if isinstance(latents, Arguments) else (_own(latents, batch.labels), {})
        path = self._found_way().path
        if path:
            return self._shaped(self.hosts.part(generator, path)(*args, **kwargs))
        own = {path: self.hosts.part(generator, path) for path in self.hosts.kept[0][PLAYERS[0]]}
        with self.hosts.holding(generator.host_index, own) as host:  # type: ignore[arg-type]
            return self._shaped(host(*args, **kwargs))

    def _shaped(self, samples: Tensor) -> Tensor:
        """As the data, where they are as large: a network may give rows that the step then views as images."""
        shape = self.known().sample_shape
        return samples.reshape(-1, *shape) if samples[0].numel() == prod(shape) else samples

    def _drawn(self, n: int, labels: Tensor, generator: nn.Module | None = None) -> list[Call]:
        """Calls that give n samples at least."""
        way, batch, found = self._found_way(), self.known().batch(n, labels, self.like.device), list[Call]()
        while (missing := n - sum(len(call.output) for call in found)) > 0:
            more = way.gives(self._rehearsed(batch, generator, way.enough(missing)))
            if not more:
                raise SamplingError("cannot draw samples of this GAN: its step does not always come to its generator")
            found += more
        return found

    def _found_way(self) -> Way:
        """How samples are drawn; looked for when first asked, and again when there are more labels."""
        classes = len(self.known().label_counts)
        if self._way is None or self._way.classes != classes:
            self._way = find_way(self._trial, self.hosts.casting, self.known().sample_shape, classes)
        return self._way

    def _trial(self, data: float, label: int) -> list[Call]:
        with own_stream(self.like.device, seed=0):
            return self._rehearsed(self.known().batch(ROWS, torch.full((ROWS,), label), self.like.device, data))

    def _rehearsed(
        self, batch: Any, generator: nn.Module | None = None, until: Until = lambda made: False
    ) -> list[Call]:
        """A component's step; the first host's, where none is named."""
        k = 0 if generator is None else int(generator.host_index)  # type: ignore[arg-type]
        living = self.living[0] if self.living else None
        with torch.inference_mode(False):  # Trainer.predict's; a step may need gradients
            rehearsal = Rehearsal(self.hosts, k, generator, living)
            made = rehearsal.calls(self.style, batch, until)
        if not made and rehearsal.failure is not None:
            raise SamplingError(
                "cannot draw samples of this GAN: its step fails outside of a training run, with "
                f"{type(rehearsal.failure).__name__}: {rehearsal.failure}"
            ) from rehearsal.failure
        return made


def _own(latents: Any, labels: Tensor | None) -> tuple[Any, ...]:
    """The arguments of a network for latents, and labels, of the user's own."""
    return (latents,) if labels is None else (latents, labels)
