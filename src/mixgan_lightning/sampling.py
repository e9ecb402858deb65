"""Seeded sampling in whole chunks of a fixed size: the same images however the chunks are shared out.

A chunk's components, labels, latents and forward passes depend on (seed, chunk index) alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.gan import Conditions
from mixgan_lightning.mixture import Mixture

CHUNK = 512  # samples; a whole chunk is drawn even when fewer are wanted


@dataclass(frozen=True)
class Draw:
    """One chunk: images (CHUNK, *sample shape), the component and the label of each."""

    images: Tensor
    components: Tensor
    labels: Tensor | None


@contextmanager
def evaluating(*networks: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients; every submodule's own mode is restored."""
    modes = [(module, module.training) for network in networks for module in network.modules()]
    try:
        for network in networks:
            network.eval()
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def own_stream(device: torch.device, seed: int) -> Iterator[None]:
    """Seed the global streams of torch (the CPU's and this device's), numpy and random inside.

    Outside they go on as if nothing was drawn.
    """
    others = np.random.get_state(), random.getstate()  # noqa: NPY002  # users' datasets draw from the global ones
    cuda = [device] if device.type == "cuda" else []
    mps = torch.mps.get_rng_state() if device.type == "mps" else None
    with torch.random.fork_rng(devices=cuda):
        try:
            seed_streams(device, seed)
            yield
        finally:
            np.random.set_state(others[0])  # noqa: NPY002
            random.setstate(others[1])
            if mps is not None:
                torch.mps.set_rng_state(mps)


def seed_streams(device: torch.device, seed: int) -> None:
    """Seed the global streams of torch (the CPU's and this device's), numpy and random."""
    np.random.seed(seed % 2**32)  # noqa: NPY002
    random.seed(seed)
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed every GPU
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(seed)
    if device.type == "mps":
        torch.mps.manual_seed(seed)


def chunk_seed(seed: int, chunk: int) -> int:
    """A seed for a chunk, independent of the other chunks' (numpy's SeedSequence)."""
    return int(np.random.SeedSequence([seed, chunk]).generate_state(1, np.uint64)[0] >> np.uint64(1))


class Rules(Protocol):
    """What a sampler needs to know of a GAN; see ``GAN``, whose methods these are."""

    like: Tensor

    def latents(self, n: int, batch: Any) -> Any:
        """n latents."""
        ...

    def generate(self, generator: nn.Module, latents: Any, batch: Any) -> Tensor:
        """Samples."""
        ...


class Sampler:
    """Draws chunks from a mixture.

    Args:
        gan: the rules (latents, how to generate).
        generators: the mixture; a component per image, by w_u.
        label_weights: how often each class is drawn where no labels are given, (num_classes,); None: unconditional.
    """

    def __init__(self, gan: Rules, generators: Mixture, label_weights: Tensor | None = None) -> None:
        self.gan: Any = gan
        self.generators, self.label_weights = generators, label_weights

    def chunk(self, seed: int, index: int, labels: Tensor | None = None, component: int | None = None) -> Draw:
        """Chunk ``index`` of the stream ``seed``; ``labels``, if any: (CHUNK,); ``component``: this one alone."""
        own = chunk_seed(seed, index)
        cpu = torch.Generator().manual_seed(own)
        device = self.gan.like.device
        chosen = self.generators.choose(CHUNK, cpu)
        components = chosen if component is None else torch.full_like(chosen, component)
        if labels is None and self.label_weights is not None:
            labels = self.label_weights.cpu().double().multinomial(CHUNK, replacement=True, generator=cpu)
        labels = None if labels is None else labels.to(device)
        with evaluating(self.gan, self.generators), own_stream(device, own):
            images = self.generate(self.gan.latents(CHUNK, Conditions(None, labels)), labels, components.to(device))
        return Draw(images, components, labels)

    def generate(self, latents: Any, labels: Tensor | None, components: Tensor) -> Tensor:
        """Each row of the latents through its own generator, put back in order."""
        images: Tensor | None = None
        for i, generator in enumerate(self.generators):
            rows = (components == i).nonzero().flatten()
            if not len(rows):
                continue
            mine = tree_map_only(Tensor, partial(_rows, rows), latents)
            made = self.gan.generate(generator, mine, Conditions(None, None if labels is None else labels[rows]))
            if images is None:
                images = made.new_empty(len(components), *made.shape[1:])
            images[rows] = made
        assert images is not None  # every row has a component
        return images

    def chunks(
        self, n: int, seed: int, labels: Tensor | None = None, component: int | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """n samples as (images, components), a chunk at a time."""
        for index, start in enumerate(range(0, n, CHUNK)):
            given = None if labels is None else _padded(labels[start : start + CHUNK])
            draw = self.chunk(seed, index, given, component)
            yield draw.images[: n - start], draw.components[: n - start]


def _rows(rows: Tensor, latents: Tensor) -> Tensor:
    """These samples' part; a single number is everybody's."""
    return latents[rows] if latents.ndim else latents


def _padded(labels: Tensor) -> Tensor:
    """Labels repeated to a whole chunk."""
    return labels.repeat(CHUNK // len(labels) + 1)[:CHUNK]


def check_labels(labels: Any, n: int, num_classes: int | None) -> Tensor | None:
    """Labels given to ``sample``: n whole numbers, a list or a tensor, or one number for all.

    Raises:
        ConfigurationError: for an unconditional GAN, the wrong number of labels, or a label that is no class.
    """
    if labels is None:
        return None
    if num_classes is None:
        raise ConfigurationError(
            "labels: this GAN is unconditional; leave them out (so is one whose step draws the labels itself)"
        )
    given = torch.as_tensor(labels).long().flatten()
    given = given.expand(n) if len(given) == 1 else given
    if len(given) != n or int(given.min()) < 0 or int(given.max()) >= num_classes:
        got = f"{len(given)} in {int(given.min())} … {int(given.max())}" if len(given) else "none"
        raise ConfigurationError(
            f"labels: expected {n} whole numbers in 0 … {num_classes - 1} (or one for all), got {got}"
        )
    return given
