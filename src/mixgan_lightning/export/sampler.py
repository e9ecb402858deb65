"""The mixture as one network of tensors alone, and what it is called with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from mixgan_lightning.errors import GANError
from mixgan_lightning.gan import GAN, Conditions
from mixgan_lightning.mixture_module import MixtureModule
from mixgan_lightning.sampling import Sampler, evaluating, own_stream
from mixgan_lightning.theory import FoldedGenerator, fold
from mixgan_lightning.trial import told

NAMES = ("h0", "latents", "labels")  # of its inputs


@dataclass(frozen=True)
class TensorSampler:
    """A mixture's network, (h0, latents[, labels]) -> samples, on the CPU, and examples of its inputs."""

    model: MixtureModule
    network: FoldedGenerator
    """With hard steps: exactly the mixture."""

    @classmethod
    def of(cls, model: MixtureModule) -> TensorSampler:
        """The sampler of a model.

        Raises:
            GANError: for latents that are more than one tensor, or samples that are no function of them.
        """
        sampler = cls(model, fold(model, delta=0).requires_grad_(False).cpu())
        with told("generator", "its latents as one tensor", "format=safetensors keeps the weights of any GAN"):
            sampler.samples(sampler.inputs(2))  # told now
        return sampler

    def inputs(self, n: int, seed: int = 0) -> tuple[Tensor, ...]:
        """n rows of h0, latents and, of a conditional GAN, labels."""
        gan = self.model.gan
        with own_stream(gan.like.device, seed), evaluating(gan):
            h0 = torch.randn(n, dtype=self.network.thresholds.dtype)
            labels = None if gan.num_classes is None else torch.randint(gan.num_classes, (n,)).to(gan.like.device)
            latents = _one_tensor(gan.latents(n, Conditions(None, labels)), None if isinstance(gan, GAN) else labels)
        return tuple(given.cpu() for given in (h0, latents, labels) if given is not None)

    def inputs_of_all(self, rows: int, seed: int = 0) -> tuple[Tensor, ...]:
        """The same, so many rows for each generator that has weight."""
        z = self.network.thresholds
        ends = torch.cat([z.new_tensor([-math.inf]), z, z.new_tensor([math.inf])])
        pieces = [(low, high) for low, high in pairwise(ends.tolist()) if low < high]
        h0 = z.new_tensor([_inside(low, high) for low, high in pieces] * rows)
        return h0, *self.inputs(len(h0), seed)[1:]

    def samples(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """What ``Sampler`` gives for these inputs: each row by its own generator alone."""
        h0, latents, *labels = inputs
        components = (h0[:, None] > self.network.thresholds).sum(1)
        sampler = Sampler(self.network.gan or self.model.gan, self.network.components)  # type: ignore[arg-type]
        with evaluating(self.network):
            return sampler.generate(latents, labels[0] if labels else None, components)


def _inside(low: float, high: float) -> float:
    """A number between the two, which may be infinite."""
    if math.isinf(low) and math.isinf(high):
        return 0.0
    return high - 1 if math.isinf(low) else low + 1 if math.isinf(high) else (low + high) / 2


def _one_tensor(latents: Any, labels: Tensor | None) -> Tensor:
    """The latents, where they are one tensor, beside labels that are handed over anyway."""
    rows = [leaf for leaf in tree_leaves(latents) if labels is None or not _is(leaf, labels)]
    if len(rows) != 1 or not isinstance(rows[0], Tensor) or not rows[0].ndim:
        found = ", ".join(str(tuple(leaf.shape)) if isinstance(leaf, Tensor) else repr(leaf) for leaf in rows)
        raise GANError(
            f"expected latents that are one tensor (N, …), this GAN's are {found or 'none'}; format=safetensors keeps "
            "the weights of any GAN"
        )
    return rows[0]


def _is(leaf: Any, labels: Tensor) -> bool:
    return isinstance(leaf, Tensor) and leaf.shape == labels.shape and torch.equal(leaf.to(labels), labels)
