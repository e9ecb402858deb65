"""The activations that a game keeps for its backward passes, in bytes, measured on few samples of the first batch.

A step of the discriminators keeps A_D, one of the generators A_G; the larger counts. One call of a discriminator on n
samples keeps d(n) for a step of its own and d'(n) where it is frozen, one of a generator g(n), a penalty p(n). With k
batches of fakes a step (k = Tu in ``full``, 1 in ``split`` and ``proportional``), N samples a batch, n_i a generator:

    A_D = Tv · (1 + k) · d(N) + Tv · k · p(N) + fakes
    A_G = Σ_i g(n_i) + Tv · k · d'(N) + fakes                     (``judges="one"``: Tv · Tu · d'(N / Tv))

``recompute`` keeps those of one network at a time: 1 for Tv beside d, and in A_G the largest term for the sum. The ways
of evaluating the pairs keep the same. What objectives of one's own keep, such as a further network's, is not counted.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._pytree import tree_leaves

from mixgan_lightning.payoff import Pairs
from mixgan_lightning.payoff.comparison import Precision
from mixgan_lightning.payoff.trees import first_rows
from mixgan_lightning.room import held_by
from mixgan_lightning.sampling import own_stream
from mixgan_lightning.scores import adversarial, flattened

FEW, MORE = 2, 4  # samples of a measurement: BatchNorm wants two


class Line(NamedTuple):
    """Bytes that calls of a network keep: once for all of them, for each call, for each sample."""

    once: float
    call: float
    sample: float

    def of(self, calls: float, samples: float) -> float:
        """Of so many calls on so many samples each."""
        return self.once + calls * (self.call + samples * self.sample)


class Kept:
    """Counts what autograd keeps while it is in force: each memory once, without what is ignored."""

    def __init__(self, ignored: Any) -> None:
        self.size = 0
        self._seen: dict[int, Any] = {}
        self.ignore(ignored)

    def ignore(self, tree: Any) -> None:
        """Not to count these tensors."""
        self._seen |= {t.untyped_storage()._cdata: t for t in tree_leaves(tree) if isinstance(t, Tensor)}

    def pack(self, tensor: Tensor) -> Tensor:
        """As autograd's hook."""
        memory = tensor.untyped_storage()
        if memory._cdata not in self._seen:
            self._seen[memory._cdata] = memory  # alive, so that nothing new gets its address
            self.size += memory.nbytes()
        return tensor.detach()  # itself would be a circle


class Measured:
    """What the calls of a game's first generator and first discriminator keep; played on copies, with draws of its own.

    Args:
        pairs: the game; it is not touched.
        batch: the first one.
        precision: the context that is played in.
    """

    def __init__(self, pairs: Pairs, batch: Any, precision: Precision) -> None:
        networks = pairs.gan, pairs.generators.components[0], pairs.discriminators.components[0]
        self.gan, self.generator, self.discriminator = copy.deepcopy(networks)
        self.batch, self.precision = batch, precision
        self.n = len(self.gan.images(batch))
        self.generators = self._line(self._generate)
        self.discriminators = self._line(self._score)
        self.penalties = self._line(self._penalise) if self.gan.has_penalty else Line(0, 0, 0)
        self.discriminator.requires_grad_(False)
        self.judges = self._line(self._judge)

    def _line(self, call: Callable[[Kept, Any], Any]) -> Line:
        """By two calls on few samples and one on more; the first also pays for what all share (weights in bfloat16)."""
        few, more = min(self.n, FEW), min(self.n, MORE)
        kept, sizes = Kept([*held_by(self.gan), *held_by(self.generator), *held_by(self.discriminator)]), [0]
        with own_stream(self.gan.like.device, seed=0), torch.enable_grad(), self.precision():
            for rows in (few, few, more):
                with saved_tensors_hooks(kept.pack, lambda tensor: tensor):
                    part = first_rows(self.batch, self.n, rows)
                    kept.ignore(part)
                    call(kept, part)
                sizes.append(kept.size)
        first, again, larger = (after - before for before, after in pairwise(sizes))
        sample = (larger - again) / (more - few) if more > few else 0.0
        return Line(first - again, again - few * sample, sample)

    def _generate(self, kept: Kept, part: Any) -> None:
        latents = self.gan.latents(len(self.gan.images(part)), part)
        kept.ignore(latents)
        fakes = self.gan.generate(self.generator, latents, part)
        self.gan.generator_auxiliary(fakes, latents, part)

    def _score(self, kept: Kept, part: Any) -> Any:
        return self.gan.score(self.discriminator, self.gan.images(part), part)

    def _judge(self, kept: Kept, part: Any) -> Any:
        fakes = self.gan.images(part).clone().requires_grad_()
        kept.ignore(fakes)
        return self.gan.score(self.discriminator, fakes, part)

    def _penalise(self, kept: Kept, part: Any) -> Any:
        images = self.gan.images(part)
        score = lambda x: adversarial(flattened(self.gan.score(self.discriminator, x, part), len(x)))  # noqa: E731
        return self.gan.penalty(score, images, images.flip(0))


def activations(pairs: Pairs, batch: Any, precision: Precision, recompute: bool = False) -> int:
    """Bytes that the larger of a game's two steps keeps.

    Args:
        pairs: the game; it is not touched.
        batch: the first one.
        precision: the context that is played in.
        recompute: whether those of one network at a time are kept.
    """
    found, images = Measured(pairs, batch, precision), pairs.gan.images(batch)
    n, tv = len(images), len(pairs.discriminators)
    sizes = [g.samples for g in pairs.fakes.groups(n, pairs.generators) for _ in range(g.networks)]
    k = len(sizes) if pairs.fakes.name == "full" else 1
    fakes = sum(sizes) * images[0].numel() * images.element_size()
    of_d = found.discriminators.of(1 + k, n)
    of_g = [found.generators.of(1, samples) for samples in sizes]
    of_judge = found.judges.of(k, n / tv if pairs.judges == "one" else n)
    penalties = found.penalties.of(tv * k, n)
    if recompute:
        return round(max(of_d + penalties, max(of_g), of_judge) + fakes)
    return round(max(tv * of_d + penalties, sum(of_g) + tv * of_judge) + fakes)
