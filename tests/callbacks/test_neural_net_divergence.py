from functools import partial

import pytest
import torch
from torch import nn

from mixgan_lightning import log_names
from mixgan_lightning.callbacks import ModeCoverageCallback, NeuralNetDivergenceCallback
from mixgan_lightning.errors import DataError, GANError
from mixgan_lightning.evaluation import NeuralNetDivergenceMeasure
from mixgan_lightning.networks import MLPDiscriminator
from mixgan_lightning.objectives import Wasserstein
from mixgan_lightning.penalties import WeightClipping
from mixgan_lightning.theory import neural_net_divergence

NAME = log_names.NEURAL_NET_DIVERGENCE
critic = partial(MLPDiscriminator, (2,))


@pytest.fixture
def callback():
    """``callback(**options)``: with discriminators of few steps."""
    return lambda **options: NeuralNetDivergenceCallback(NeuralNetDivergenceMeasure(steps=20), **options)


def test_its_curve_is_logged_over_the_images_seen(fit, points_model, ring, rows, tmp_path, callback):
    of_points = callback(num_samples=150, every_n_epochs=2, seed=2)
    model = points_model()
    fit(model, ring, callbacks=[of_points], logger=rows.logger, max_epochs=4, limit_train_batches=3)
    assert [seen for seen, _ in rows(NAME, at=log_names.IMAGES_SEEN)] == [2 * 3 * 64, 4 * 3 * 64]
    real = ring.validation.tensors[0]
    expected = neural_net_divergence(real, model.sample(150, seed=2)[0], critic, steps=20)
    assert rows(NAME)[-1] == (3, pytest.approx(expected.held_out, abs=1e-6))
    assert of_points.latest == {NAME: pytest.approx(expected.held_out, abs=1e-6)}


def test_as_many_samples_are_drawn_as_are_held_out_and_as_many_real_ones_measured(fit, points_model, ring, callback):
    of_points = callback()
    fit(points_model(), ring, callbacks=[of_points], limit_train_batches=1)
    assert of_points.scoring.num_samples == len(ring.validation) == 1_000
    assert of_points.scoring.real_splits == {NAME: "train"}
    assert abs(of_points.scoring.real[NAME]) < 0.1 < of_points.latest[NAME]  # an untrained generator of lines


def test_the_critic_of_figure_5(fit, points_model, ring):
    options = {"objective": Wasserstein(), "penalty": WeightClipping(0.01), "steps": 20}
    clipped = NeuralNetDivergenceCallback(NeuralNetDivergenceMeasure(**options), num_samples=100)
    model = points_model()
    fit(model, ring, callbacks=[clipped], limit_train_batches=1)
    real, samples = ring.validation.tensors[0], model.sample(100, seed=0)[0]
    expected = neural_net_divergence(real, samples, critic, **options)
    assert clipped.latest[NAME] == pytest.approx(expected.held_out, rel=1e-4)
    assert 0 < clipped.latest[NAME] < 0.01


def test_it_stands_beside_another_quality_callback(fit, points_model, ring, rows, callback):
    callbacks = [ModeCoverageCallback(100), callback(num_samples=60)]
    fit(points_model(), ring, callbacks=callbacks, logger=rows.logger, limit_train_batches=1)
    assert len(rows(NAME)) == len(rows(log_names.MODES_COVERED)) == 1
    assert callbacks[0].latest.keys().isdisjoint(callbacks[1].latest)


def test_each_component_is_measured_alone_as_well(fit, points_model, ring, rows, callback):
    of_points = callback(num_samples=100, components=True)
    model = points_model()
    fit(model, ring, callbacks=[of_points], logger=rows.logger, limit_train_batches=1)
    found = [rows(log_names.of_component(i, NAME))[0][1] for i in range(2)]
    assert found == [pytest.approx(of_points.measure(model, component=i)[NAME], abs=1e-6) for i in range(2)]


def test_training_is_the_same_with_and_without_it(fit, points_model, ring, callback):
    def trained(*callbacks):
        torch.manual_seed(1)
        model = points_model()
        fit(model, ring, callbacks=callbacks, max_epochs=2, limit_train_batches=3)
        return model.state_dict(), torch.rand(3).tolist()

    (plain, plain_next), (watched, watched_next) = trained(), trained(callback(num_samples=50))
    assert all(torch.equal(value, watched[key]) for key, value in plain.items())
    assert plain_next == watched_next


def test_what_cannot_be_measured_is_told_before_training(fit, points_model, ring):
    unfit = NeuralNetDivergenceMeasure(discriminator=lambda shape: nn.Linear(3, 1))
    model = points_model()
    with pytest.raises(GANError, match="the discriminator cannot take samples of shape"):
        fit(model, ring, callbacks=[NeuralNetDivergenceCallback(unfit)])
    with pytest.raises(DataError, match="compares samples with real data"):
        fit(model, torch.randn(64, 2), callbacks=[NeuralNetDivergenceCallback(num_samples=10)])
    assert model.played.images_seen == 0
