import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from mixgan_lightning import GAN, MixGANModule, log_names, mix
from mixgan_lightning.callbacks import PayoffMonitor
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.evaluation import TrainingBatches
from mixgan_lightning.payoff import payoff_matrix
from mixgan_lightning.processes import Share
from mixgan_lightning.theory import matrix_gap, nash_weights


class Fixed(pl.Callback):
    """The payoff on the fixed batches, at the end of each epoch."""

    def __init__(self, n):
        self.n = n

    def on_train_epoch_end(self, trainer, module):
        batches = TrainingBatches(trainer).some(self.n, Share(0, 1))
        assert len(batches) == 2  # of 64 for 100 samples
        self.payoff = payoff_matrix(module.gan, module.generators, module.discriminators, batches, 0)
        w_u, w_v = module.generators.weights.detach(), module.discriminators.weights.detach()
        self.gap = float(matrix_gap(self.payoff, w_u, w_v))


def test_payoff_and_gap_are_those_of_fixed_batches(fit, points_model, ring, rows, image_logger, tmp_path):
    fixed = Fixed(100)
    callbacks = [PayoffMonitor(tmp_path / "payoff", every_n_epochs=2, num_samples=100), fixed]
    options = {"logger": [rows.logger, image_logger], "max_epochs": 3, "limit_train_batches": 3}
    fit(points_model(size=3), ring, callbacks=callbacks, **options)
    assert [epoch for epoch, _ in rows(log_names.PAYOFF_GAP)] == [1, 2]
    assert rows(log_names.PAYOFF_GAP)[-1][1] == pytest.approx(fixed.gap, abs=1e-6)
    assert sorted(path.name for path in (tmp_path / "payoff").iterdir()) == ["epoch_0002.csv", "epoch_0003.csv"]
    written = np.loadtxt(tmp_path / "payoff" / "epoch_0003.csv", delimiter=",")
    assert np.abs(written - fixed.payoff.numpy()).max() < 1e-5
    assert [key for key, *_ in image_logger.images] == [log_names.PAYOFF_HEATMAP] * 2


def test_of_a_stream_the_first_batches_are_kept(fit, points_model, tmp_path):
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(torch.randn(40, 2, generator=torch.Generator().manual_seed(0)))

    model = points_model()
    fit(model, DataLoader(Stream(), 8), callbacks=[PayoffMonitor(tmp_path, num_samples=10)])
    batches = list(DataLoader(Stream(), 8))[:2]
    found = payoff_matrix(model.gan, model.generators, model.discriminators, batches, 0)
    assert np.abs(np.loadtxt(tmp_path / "epoch_0001.csv", delimiter=",") - found.numpy()).max() < 1e-5


def test_the_equilibrium_of_the_matrix_stands_beside_the_learnt_weights(fit, points_model, ring, rows):
    fixed = Fixed(100)
    options = {"logger": rows.logger, "limit_train_batches": 3}
    fit(points_model(size=3), ring, callbacks=[PayoffMonitor(num_samples=100), fixed], **options)
    nash = nash_weights(fixed.payoff)
    assert rows(log_names.PAYOFF_NASH_VALUE) == [(0, pytest.approx(nash.value, abs=1e-6))]
    for player, weights in (("generator", nash.w_u), ("discriminator", nash.w_v)):
        found = [rows(log_names.nash_weight(player, i))[0][1] for i in range(3)]
        assert found == pytest.approx(weights.tolist(), abs=1e-6)


def test_the_training_is_the_same_with_and_without_it(fit, digits_model, digits):
    ends = []
    for callbacks in ([], [PayoffMonitor(every_n_steps=1, num_samples=600)]):
        torch.manual_seed(0)
        model = digits_model(size=3)
        fit(model, digits, callbacks=callbacks, max_epochs=1)
        ends.append(model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(ends[0].values(), ends[1].values(), strict=True))


def test_modules_without_a_payoff_are_left_alone(fit, tmp_path, rows, module_with_losses):
    options = {"logger": rows.logger, "log_every_n_steps": 1}
    fit(mix(module_with_losses, 2), torch.randn(32, 2), callbacks=[PayoffMonitor(tmp_path / "p")], **options)
    assert rows(log_names.IMAGES_SEEN)
    assert not rows(log_names.PAYOFF_GAP)
    assert not (tmp_path / "p").exists()


class OwnLosses(MixGANModule):
    def generator_losses(self, batch):
        fakes = self.gan.latents(len(batch), batch) @ self.generators.components[0].weight.T
        return torch.stack([torch.stack([-d(fakes).mean() for d in self.discriminators])] * len(self.generators))

    def discriminator_losses(self, batch):
        return torch.stack([torch.stack([d(batch).square().mean() for d in self.discriminators])] * 2)


def test_losses_of_ones_own_have_no_payoff(fit, tmp_path):
    model = OwnLosses(lambda: GAN(nn.Linear(2, 2), nn.Linear(2, 1), latent_dim=2), 2)
    fit(model, torch.randn(32, 2), callbacks=[PayoffMonitor(tmp_path / "p")])
    assert not (tmp_path / "p").exists()


class WithATerm(MixGANModule):
    def discriminator_losses(self, batch):
        return super().discriminator_losses(batch) + 1


def test_losses_that_add_to_the_packages_have_its_payoff(fit, tmp_path):
    model = WithATerm(lambda: GAN(nn.Linear(2, 2), nn.Linear(2, 1), latent_dim=2), 2)
    fit(model, torch.randn(32, 2), callbacks=[PayoffMonitor(tmp_path / "p")])
    assert (tmp_path / "p" / "epoch_0001.csv").exists()


def test_a_score_may_ask_autograd_for_gradients(fit, tmp_path):
    class Sharp(GAN):
        def score(self, discriminator, images, batch):
            images = images.detach().requires_grad_()
            scores = discriminator(images)
            (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
            return scores + gradient.square().sum(1, keepdim=True)

    model = mix(lambda: Sharp(nn.Linear(2, 2), nn.Linear(2, 1), latent_dim=2), 2, evaluation="loop")
    fit(model, torch.randn(32, 2), callbacks=[PayoffMonitor(tmp_path / "p")])
    assert (tmp_path / "p" / "epoch_0001.csv").exists()


def test_by_steps_every_matrix_has_a_file_of_its_own(fit, tmp_path, points_model):
    fit(points_model(), torch.randn(64, 2), callbacks=[PayoffMonitor(tmp_path, every_n_steps=2)])
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == [
        "epoch_0001_batch_000002.csv",
        "epoch_0001_batch_000004.csv",
    ]


@pytest.mark.parametrize("option", ["num_samples", "every_n_epochs", "every_n_steps"])
def test_numbers_that_cannot_be_are_refused(option):
    with pytest.raises(ConfigurationError, match=f"{option}: expected a whole number"):
        PayoffMonitor(**{option: 0})


def test_a_payoff_that_is_not_finite_is_said_and_costs_nothing(fit, rows, tmp_path):
    model = mix(lambda: GAN(nn.Linear(2, 2), nn.Linear(2, 1), latent_dim=2), 2)

    class Break(pl.Callback):
        def on_train_epoch_end(self, trainer, module):
            for parameter in module.discriminators.parameters():
                parameter.data.fill_(float("nan"))

    with pytest.warns(UserWarning, match="the payoff is NaN or infinite"):
        fit(model, torch.randn(32, 2), callbacks=[Break(), PayoffMonitor(tmp_path / "p")], logger=rows.logger)
    assert not (tmp_path / "p").exists()
