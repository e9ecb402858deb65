"""Theorem 1 of the post: a discriminator of bounded size is fooled by a generator of few different samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch

from mixgan_lightning.reproduce.theorems.critics import Critics, interleaved
from mixgan_lightning.reproduce.theorems.measurement import Measurement

REAL = 50_000  # samples to train on, and as many to measure on: far more than D can memorise


class SmallSupport(Measurement):
    """P_synth, uniform on N atoms drawn from P_real = N(0, I), and Ds that try to tell the two apart.

    The value is of the distributions, not of samples: each D is measured on all atoms and on new real samples.

    Args:
        dimension: d of the points. 100: many against few atoms.
        widths: of the hidden layer, a class of D each. 8, 32, 128: 817, 3,265 and 13,057 parameters.
        steps: of each D's training. 1,200: a second or two.
    """

    size_name, value_name = "different samples that the generator makes, N", "neural-network distance to real data"
    levels: ClassVar = {"not to be told apart": 0.0}

    def __init__(self, dimension: int = 100, widths: Sequence[int] = (8, 32, 128), steps: int = 1_200) -> None:
        self.classes = [Critics(dimension, width, steps) for width in widths]

    def measure(self, size: int, seed: int) -> Mapping[str, float]:
        stream = torch.Generator().manual_seed(seed)
        draw = self.classes[0].draw
        atoms = draw(size, stream)
        real, fake = interleaved(draw(REAL, stream), draw(REAL, stream)), interleaved(atoms, atoms)
        return {f"D of {of.parameters:,} parameters": of.divergence(real, fake, seed).held_out for of in self.classes}

    def conditions(self) -> list[str]:
        any_class, widths = self.classes[0], ", ".join(f"{of.width:,}" for of in self.classes)
        return [
            f"P_real = N(0, I) in {any_class.dimension:,} dimensions, {REAL:,} samples to train on and to measure on",
            f"D of widths {widths}: {any_class}",
        ]
