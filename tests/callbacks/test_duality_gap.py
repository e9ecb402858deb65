import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from mixgan_lightning import GAN, log_names, mix
from mixgan_lightning.callbacks import DualityGap
from mixgan_lightning.errors import ConfigurationError, DataError, GANError
from mixgan_lightning.independent import IndependentGANs
from mixgan_lightning.theory import duality_gap

NAMES = (log_names.DUALITY_GAP, log_names.BEST_DISCRIMINATOR, log_names.BEST_GENERATOR)
BRIEF = {"steps": 5, "batch_size": 32, "num_samples": 100}


def test_its_curve_is_that_of_the_players_over_the_images_seen(fit, points_model, ring, rows):
    callback, model = DualityGap(**BRIEF, every_n_epochs=2, seed=3), points_model(size=3)
    trainer = fit(model, ring, callbacks=[callback], logger=rows.logger, max_epochs=4, limit_train_batches=3)
    assert [seen for seen, _ in rows(NAMES[0], at=log_names.IMAGES_SEEN)] == [2 * 3 * 64, 4 * 3 * 64]
    data = ring.validation.tensors[0][::10]  # 100 of 1,000, evenly spaced
    found = duality_gap(model, data, steps=5, batch_size=32, seed=3)
    assert callback.latest == found
    values = [found.gap, found.best_discriminator, found.best_generator]
    assert [rows(name)[-1] for name in NAMES] == [(3, pytest.approx(value, abs=1e-6)) for value in values]
    assert float(trainer.callback_metrics[log_names.DUALITY_GAP]) == pytest.approx(found.gap)


def test_by_steps_and_on_training_data(fit, points_model, ring, rows):
    callback = DualityGap(**BRIEF, every_n_steps=2, split="train")
    model = points_model()
    fit(model, ring, callbacks=[callback], logger=rows.logger, limit_train_batches=4)
    assert [seen for seen, _ in rows(NAMES[0], at=log_names.IMAGES_SEEN)] == [2 * 64, 4 * 64]
    data = ring.train_dataloader().dataset.tensors[0]
    evenly = data[[k * len(data) // 100 for k in range(100)]]
    assert callback.latest == duality_gap(model, evenly, steps=5, batch_size=32)


def test_the_data_are_those_that_the_players_get(fit, points_model, ring):
    """After the datamodule's hooks, and in the Trainer's precision."""

    class Shifting(type(ring)):
        def on_before_batch_transfer(self, batch, dataloader_idx):
            return [batch[0] + 5, *batch[1:]] if isinstance(batch, list | tuple) else batch + 5

    ring.__class__ = Shifting
    callback, model = DualityGap(**BRIEF), points_model()
    fit(model, ring, callbacks=[callback], limit_train_batches=2)
    assert callback.latest == duality_gap(model, ring.validation.tensors[0][::10] + 5, steps=5, batch_size=32)
    fit(points_model(), ring, callbacks=[callback], limit_train_batches=2, precision="64-true")
    assert callback.latest.gap > 0


def test_training_is_the_same_with_and_without_it(fit, digits_model, digits):
    def trained(*callbacks):
        torch.manual_seed(1)
        model = digits_model()
        fit(model, digits, callbacks=callbacks, max_epochs=2)
        return model.state_dict(), torch.rand(3).tolist()

    (plain, plain_next), (watched, watched_next) = trained(), trained(DualityGap(**BRIEF))
    assert all(torch.equal(value, watched[key]) for key, value in plain.items())
    assert plain_next == watched_next


class Labelled(pl.LightningDataModule):
    """A stream of points and labels, six a batch."""

    class Stream(IterableDataset):
        def __iter__(self):
            return ((torch.full((2,), float(k)), torch.tensor(k % 3)) for k in range(30))

    def train_dataloader(self):
        return DataLoader(self.Stream(), 6)

    val_dataloader = train_dataloader


def test_of_a_stream_the_first_samples_are_taken_with_their_labels(fit, conditional_toy):
    callback, model = DualityGap(steps=2, num_samples=20), mix(conditional_toy(), 2, fakes="full")
    fit(model, Labelled(), callbacks=[callback])
    points = torch.arange(20.0)[:, None].expand(20, 2)
    assert callback.latest == duality_gap(model, (points, torch.arange(20) % 3), steps=2)


def test_what_has_no_duality_gap_is_told_before_training(fit, points_model, ring, module_with_losses):
    own = IndependentGANs(lambda: GAN(nn.Linear(2, 2), nn.Linear(2, 1), latent_dim=2), 2)
    for model in (mix(module_with_losses, 2), own):
        with pytest.raises(GANError, match=r"no payoff.*NeuralNetDivergenceCallback"):
            fit(model, ring, callbacks=[DualityGap()])
    with pytest.raises(DataError, match=r"measured on real data \(held_out\): call trainer\.fit"):
        fit(points_model(), torch.randn(64, 2), callbacks=[DualityGap()])
    with pytest.raises(ConfigurationError, match="split: expected train or held_out, got 'test'"):
        fit(points_model(), ring, callbacks=[DualityGap(split="test")])


@pytest.mark.parametrize("option", ["steps", "batch_size", "num_samples", "every_n_epochs", "every_n_steps"])
def test_numbers_that_cannot_be_are_refused(option):
    with pytest.raises(ConfigurationError, match=f"{option}: expected a whole number"):
        DualityGap(**{option: 0})


def test_a_game_that_has_diverged_is_said_and_costs_nothing(fit, points_model, ring, rows):
    class Break(pl.Callback):
        def on_train_epoch_end(self, trainer, module):
            for parameter in module.discriminators.parameters():
                parameter.data.fill_(float("nan"))

    options = {"logger": rows.logger, "limit_train_batches": 1, "log_every_n_steps": 1}
    with pytest.warns(UserWarning, match="the payoff is NaN or infinite"):
        fit(points_model(), ring, callbacks=[Break(), DualityGap(**BRIEF)], **options)
    assert rows(log_names.IMAGES_SEEN)
    assert not rows(log_names.DUALITY_GAP)
