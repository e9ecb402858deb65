import time

import pytest
import pytorch_lightning as pl
import torch

from mixgan_lightning import log_names
from mixgan_lightning.callbacks import SpeedMonitor


class Slow(pl.Callback):
    """A clock that goes on a quarter of a second a batch, and an hour between epochs."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def on_train_batch_end(self, *_):
        self.now += 0.25

    def on_train_epoch_end(self, *_):
        self.now += 3600


def test_images_a_second_without_what_happens_between_epochs(fit, points_model, rows, monkeypatch):
    clock = Slow(monkeypatch)
    options = {"logger": rows.logger, "log_every_n_steps": 2, "max_epochs": 2, "batch_size": 10}
    fit(points_model(), torch.randn(80, 2), callbacks=[clock, SpeedMonitor()], **options)
    found = [value for _, value in rows(log_names.IMAGES_PER_SECOND)]
    assert found == pytest.approx([40.0] * 8)  # 10 images in a quarter of a second
