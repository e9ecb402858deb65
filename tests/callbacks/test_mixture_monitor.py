import pytest
import pytorch_lightning as pl
import torch

from mixgan_lightning import MixGANModule, log_names
from mixgan_lightning.callbacks import MixtureMonitor


class Weights(pl.Callback):
    """Both players' weights after each batch."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.seen.append((pl_module.generators.weights.tolist(), pl_module.discriminators.weights.tolist()))


def test_the_rows_are_the_modules_weights(fit, points_model, ring, rows):
    recorder = Weights()
    model = points_model(size=3, num_discriminators=2, log_probability_lr=0.1)
    fit(
        model,
        ring,
        callbacks=[MixtureMonitor(), recorder],
        logger=rows.logger,
        log_every_n_steps=2,
        limit_train_batches=5,
        max_epochs=2,
    )
    logged_batches = [1, 3, 5, 7, 9]
    assert recorder.seen[1] != recorder.seen[9]
    for player, (name, size) in enumerate((("generator", 3), ("discriminator", 2))):
        for i in range(size):
            expected = [(k, pytest.approx(recorder.seen[k][player][i], rel=1e-5)) for k in logged_batches]
            assert rows(log_names.weight(name, i), at="step") == expected
        for (k, effective), batch in zip(rows(log_names.effective(name), at="step"), logged_batches, strict=True):
            w = torch.tensor(recorder.seen[batch][player])
            assert (k, effective) == (batch, pytest.approx(float((-w * w.log()).sum().exp()), rel=1e-5))


def test_weights_and_losses_are_two_calls_a_logging_step_and_no_key_per_pair(fit, points_model, ring, monkeypatch):
    """FACTS §8: a self.log per pair doubles the time of a step."""
    calls, keys = [], []
    log_dict, log = MixGANModule.log_dict, MixGANModule.log
    monkeypatch.setattr(MixGANModule, "log_dict", lambda self, *a, **k: (calls.append(1), log_dict(self, *a, **k)))
    monkeypatch.setattr(MixGANModule, "log", lambda self, name, *a, **k: (keys.append(name), log(self, name, *a, **k)))
    size, logging_steps = 8, 3
    fit(points_model(size=size), ring, callbacks=[MixtureMonitor()], log_every_n_steps=4, limit_train_batches=12)
    assert len(calls) == 2 * logging_steps
    assert len(keys) / logging_steps <= 2 * size + 12 < size * size


def test_a_module_that_is_no_mixture_is_left_alone(fit):
    class Plain(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch, batch_idx):
            return self.layer(batch).mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    fit(Plain(), torch.zeros(32, 2), callbacks=[MixtureMonitor()], log_every_n_steps=1)
