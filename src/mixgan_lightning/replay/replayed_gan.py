"""An unmodified GAN in a mixture: the user's modules, and how samples of them are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mixgan_lightning.errors import GANError
from mixgan_lightning.gan_factory import check_independent
from mixgan_lightning.processes import everyones
from mixgan_lightning.replay.drawing import Arguments, Template, equal_trees, images_in, joined, rows_of
from mixgan_lightning.replay.hosts import Hosts
from mixgan_lightning.replay.players import PLAYERS
from mixgan_lightning.replay.rehearsal import Call, Rehearsal, Until
from mixgan_lightning.replay.styles import Style, check_plays
from mixgan_lightning.sampling import own_stream

ROWS = 4  # of the rehearsals that tell how samples are drawn: BatchNorm needs more than one


class ReplayedGAN(nn.Module):
    """Draws from a mixture of the user's modules by their own step.

    In a rehearsal of the step, the first call of a generator's network that gives what looks like the data, and whose
    arguments do not depend on them, tells how it is fed. A sample is drawn by rehearsing the step again, on a made-up
    batch of any length and up to that call, and taking its arguments as latents: whatever their law and shape, labels
    included.

    Args:
        built: the modules, each built anew by the user's factory.
        players: see ``mix``.
        share: see ``mix``.

    Attributes:
        style: how they play a batch; set once that is known.
        template: what a batch looks like; from the first one that is seen, or from a checkpoint.
        trainer: the Trainer, once there is one.
    """

    like: Tensor
    style: Style

    def __init__(self, built: Sequence[nn.Module], players: Sequence[str] | None, share: Sequence[str]) -> None:
        super().__init__()
        check_plays(built[0])
        self.hosts = Hosts(built, share, players)
        for player in PLAYERS:
            check_independent([self.hosts.component(k, player) for k in range(len(built))], player)
        self.template: Template | None = None
        self.trainer: Any = None
        self._way: Way | None = None
        self._counted = torch.zeros(0, dtype=torch.int64)  # labels, since they were last shared
        self.register_buffer("like", torch.empty(0), persistent=False)

    def __getstate__(self) -> dict[str, Any]:
        """Copies have no Trainer."""
        return self.__dict__ | {"trainer": None}

    def release(self) -> tuple[list[nn.Module], list[nn.Module]]:
        """Take the networks out: by player, what each host gives to the mixture."""
        found = [[self.hosts.component(k, player) for k in range(len(self.hosts))] for player in PLAYERS]
        self.hosts.release()
        return found[0], found[1]

    # ---------------------------------------------------------------------------------------- batches

    def images(self, batch: Any) -> Tensor:
        """The images of a batch."""
        return images_in(batch)

    def labels(self, batch: Any) -> Tensor | None:
        """The labels of a batch, where samples depend on them."""
        return self.known().labels(batch) if self.num_classes is not None else None

    def known(self) -> Template:
        """What a batch looks like.

        Raises:
            GANError: where none was seen.
        """
        if self.template is None and self.trainer is not None:
            with own_stream(self.like.device, seed=0):  # a dataloader draws from the global stream
                self.trainer.fit_loop.setup_data()
                self.template = Template.of(next(iter(self.trainer.fit_loop._combined_loader))[0])
        if self.template is None:
            raise GANError("cannot draw samples of this GAN before it has seen a batch: train it, or load a checkpoint")
        return self.template

    @property
    def num_classes(self) -> int | None:
        """How many labels there are, where samples depend on them."""
        weights = self.label_weights
        return None if weights is None else len(weights)

    @property
    def label_weights(self) -> Tensor | None:
        """How often each label was seen, where samples depend on them."""
        return torch.tensor(self.known().frequencies) if self._found_way().conditional else None

    def observe(self, batch: Any) -> None:
        """Look at a training batch: what it is like, and its labels."""
        if self.template is None:
            self.template = Template.of(batch)
        labels = self.template.labels(batch)
        if labels is not None:
            counts = torch.bincount(labels.long().cpu(), minlength=len(self._counted))
            counts[: len(self._counted)] += self._counted
            self._counted = counts

    def share_counts(self) -> None:
        """Add up over all processes what they counted since the last time, so that all draw by the same frequencies."""
        for counts in everyones(self._counted.tolist()):
            self.known().count(counts)
        self._counted = torch.zeros(0, dtype=torch.int64)

    # ---------------------------------------------------------------------------------------- drawing

    def latents(self, n: int, batch: Any) -> Any:
        """What the user's step feeds to its generator, n rows; ``batch.labels``, where given, are in its batch.

        Raises:
            GANError: where it is not known how to draw samples.
        """
        way, draws = self._found_way(), list[Arguments]()
        labels = torch.zeros(n, dtype=torch.int64) if batch.labels is None else batch.labels
        while sum(map(rows_of, draws)) < n:  # a step may draw a fixed number, whatever the batch
            made = self._rehearsed(self.known().batch(n, labels, self.like.device), until=way.is_reached)
            draws.append(made[-1].arguments)
        return joined(draws, n)

    def generate(self, generator: nn.Module, latents: Any, batch: Any) -> Tensor:
        """What the generator of a component gives for ``latents``, or for a tensor of the user's own."""
        args, kwargs = latents if isinstance(latents, Arguments) else ((latents,), {})
        own = {path: self.hosts.network(generator, path) for path in self.hosts.casting.networks[PLAYERS[0]]}
        path = self._found_way().path
        if path:
            return own[path](*args, **kwargs)
        with self.hosts.holding(0, own) as host:
            return host(*args, **kwargs)

    def _found_way(self) -> Way:
        """How samples are drawn; looked for when first asked, and again when there are more labels."""
        classes = len(self.known().frequencies)
        if self._way is None or self._way.classes != classes:
            self._way = self._find_way(classes)
        return self._way

    def _find_way(self, classes: int) -> Way:
        template, made = self.known(), []
        for data, label in ((0.0, 0), (0.5, 0), (0.0, 1)):
            labels = torch.full((ROWS,), label)
            with own_stream(self.like.device, seed=0):
                made.append(self._rehearsed(template.batch(ROWS, labels, self.like.device, data)))
        blind, other, relabelled = made
        k = _telling(blind, other, template.sample_shape)
        if k is None:
            raise GANError(f"cannot draw samples of this GAN: {_why_not(blind, template.sample_shape)}")
        by_label = k >= len(relabelled) or not equal_trees(blind[k].arguments, relabelled[k].arguments)
        turn = sum(call.path == blind[k].path for call in blind[:k])
        return Way(blind[k].path, turn, conditional=classes > 1 and by_label, classes=classes)

    def _rehearsed(self, batch: Any, until: Until = lambda made: False) -> list[Call]:
        with torch.inference_mode(False):  # Trainer.predict's; a step may need gradients
            return Rehearsal(self.hosts, self.trainer).calls(self.style, batch, until)


class Way(NamedTuple):
    """How samples are drawn: by the call of this path ("": of the module itself) that is the turn-th in a step."""

    path: str
    turn: int
    conditional: bool  # whether its arguments depend on the labels
    classes: int

    def is_reached(self, made: list[Call]) -> bool:
        """Whether that call has been made."""
        return sum(call.path == self.path for call in made) > self.turn


def _telling(blind: list[Call], other: list[Call], sample_shape: list[int]) -> int | None:
    """Which call tells how samples are drawn: the first, a network's before the module's own, that gives what looks
    like the data and whose arguments are the same for other data.
    """
    found = []
    for k, (call, counterpart) in enumerate(zip(blind, other, strict=False)):
        fits = isinstance(call.output, Tensor) and list(call.output.shape[1:]) == sample_shape
        if call.path == counterpart.path and fits and equal_trees(call.arguments, counterpart.arguments):
            found.append((not call.path, k))
    return min(found)[1] if found else None


def _why_not(calls: list[Call], sample_shape: list[int]) -> str:
    shapes = sorted({str(tuple(c.output.shape[1:])) for c in calls if isinstance(c.output, Tensor)})
    return (
        "its step must call its generator's network, or the module itself, with arguments that are not made of the "
        f"data, and get samples of the data's shape {tuple(sample_shape)}; its calls gave "
        + (", ".join(shapes) or "nothing")
    )
