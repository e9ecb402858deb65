"""What a GAN learns of the data before the game: on the first process, and then the same on all."""

from __future__ import annotations

import pytorch_lightning as pl

from mixgan_lightning.evaluation import TrainingBatches
from mixgan_lightning.gan import GAN
from mixgan_lightning.processes import copy_from_first, together
from mixgan_lightning.sampling import own_stream


def prepare(gan: GAN, trainer: pl.Trainer) -> None:
    """Have a GAN look at the data, where it wants to (``GAN.prepare``), with random streams of its own."""
    if type(gan).prepare is GAN.prepare:
        return
    with together():
        if trainer.is_global_zero:
            with own_stream(gan.like.device, 0):
                gan.prepare(TrainingBatches(trainer))
    copy_from_first(gan)
