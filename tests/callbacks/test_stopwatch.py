import time

import pytest
import pytorch_lightning as pl
import torch

from mixgan_lightning import mix
from mixgan_lightning.callbacks import Stopwatch

NAP = 0.5  # seconds


class Napping(pl.Callback):
    """Sleeps in one hook."""

    def __init__(self, hook):
        self.naps = 0
        setattr(self, hook, self.nap)

    def nap(self, *args):
        self.naps += 1
        time.sleep(NAP)


@pytest.fixture
def taken(fit, toy):
    """``taken(hook)``: what two epochs of three batches take where another callback sleeps in this hook; its naps."""

    def train(hook):
        stopwatch, napping = Stopwatch(), Napping(hook)
        fit(
            mix(toy(), 2, evaluation="loop"),
            torch.randn(24, 2),
            batch_size=8,
            max_epochs=2,
            callbacks=[stopwatch, napping],
        )
        return stopwatch.taken, napping.naps

    return train


@pytest.mark.parametrize(("hook", "naps"), [("on_train_batch_end", 6), ("on_train_epoch_start", 2)])
def test_what_happens_within_an_epoch_counts_by_the_clock_and_not_as_computing(hook, naps, taken):
    found, slept = taken(hook)
    assert slept == naps
    assert found.seconds >= naps * NAP
    assert 0 < found.cpu_seconds < NAP * naps


@pytest.mark.parametrize("hook", ["on_fit_start", "on_train_epoch_end", "on_train_end"])
def test_what_happens_before_training_and_after_an_epoch_does_not_count(hook, taken):
    found, slept = taken(hook)
    assert slept
    assert 0 < found.seconds < NAP
