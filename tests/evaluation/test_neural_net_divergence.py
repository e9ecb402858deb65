import json
from functools import partial

import pytest
import torch
from torch import nn

from mixgan_lightning import log_names
from mixgan_lightning.errors import ConfigurationError, DataError, GANError
from mixgan_lightning.evaluation import NeuralNetDivergenceMeasure, Scoring
from mixgan_lightning.evaluation.seen import see
from mixgan_lightning.networks import DCGANDiscriminator, MLPDiscriminator
from mixgan_lightning.objectives import Minimax, NeuralNetDistance, Wasserstein
from mixgan_lightning.penalties import R1, WeightClipping
from mixgan_lightning.theory import neural_net_divergence
from mixgan_lightning.theory.neural_net_divergence import ADAM

CPU = torch.device("cpu")


def observed(measure, reference):
    for index in torch.arange(len(reference)).split(7):
        measure.observe(see(None, reference[index], index))
    measure.ready(CPU)
    return measure


def value(measure, samples):
    measure.reset()
    for index in torch.arange(len(samples)).split(11):
        measure.update(see(None, samples[index], index))
    (found,) = measure.values().items()
    assert found[0] == log_names.NEURAL_NET_DIVERGENCE
    return found[1]


def test_it_is_the_functions_value_on_the_held_out_halves(images):
    real, samples = images(60), images(40, seed=1) / 2
    found = value(observed(NeuralNetDivergenceMeasure(steps=50), real), samples)
    expected = neural_net_divergence(real, samples, lambda: MLPDiscriminator((1, 2, 2)), steps=50)
    assert found == expected.held_out != expected.train


def test_the_class_the_objective_and_the_training_are_those_that_are_given(images):
    real, samples = images(60), images(40, seed=1) / 2
    critic = partial(MLPDiscriminator, hidden=(5,))
    optimizer = partial(torch.optim.RMSprop, lr=1e-3)
    options = {"penalty": WeightClipping(0.1), "optimizer": optimizer, "steps": 20, "batch_size": 16}
    measure = NeuralNetDivergenceMeasure("train", critic, Wasserstein(), **options)
    expected = neural_net_divergence(real, samples, lambda: critic((1, 2, 2)), Wasserstein(), **options)
    assert value(observed(measure, real), samples) == expected.held_out > 0


def test_every_set_of_samples_meets_a_discriminator_of_its_own_from_one_initialisation(images):
    measure = observed(NeuralNetDivergenceMeasure(steps=50), images(60))
    dark, alike = images(40, seed=1) / 4 - 0.7, images(40, seed=2)
    first, other, again = (value(measure, samples) for samples in (dark, alike, dark))
    assert first == again > 0.5
    assert abs(other) < 0.3


def test_real_data_of_the_other_split_are_about_zero_and_what_is_no_data_is_not(images, data, real):
    scoring = Scoring([NeuralNetDivergenceMeasure(steps=100)], None, None)
    train, held_out = images(200), images(200, seed=1)
    scoring.prepare(real(data(train, held_out)), CPU)
    assert scoring.num_samples == 200
    assert scoring.real_splits == {log_names.NEURAL_NET_DIVERGENCE: "train"}
    assert abs(scoring.real[log_names.NEURAL_NET_DIVERGENCE]) < 0.25
    critic = partial(MLPDiscriminator, (1, 2, 2))
    expected = neural_net_divergence(held_out, train, critic, steps=100).held_out
    assert scoring.real[log_names.NEURAL_NET_DIVERGENCE] == expected


def test_real_data_may_be_those_of_training():
    assert NeuralNetDivergenceMeasure().real_rows == ("train",)
    assert NeuralNetDivergenceMeasure("train").real_rows == ("held_out",)
    with pytest.raises(ConfigurationError, match="expected train or held_out, got 'test'"):
        NeuralNetDivergenceMeasure("test")


def test_settings_say_what_the_value_depends_on():
    assert NeuralNetDivergenceMeasure().settings == {
        "reference": "held_out",
        "discriminator": "MLPDiscriminator",
        "objective": "NeuralNetDistance",
        "optimizer": "Adam(lr=0.001)",
        "steps": 1_000,
        "batch_size": 64,
    }
    critic = partial(DCGANDiscriminator, width=8)
    chosen = NeuralNetDivergenceMeasure("train", critic, Minimax(), R1(0.1)).settings
    assert chosen["discriminator"] == "DCGANDiscriminator(width=8)"
    assert (chosen["objective"], chosen["penalty"]) == ("Minimax", "R1(weight=0.1)")
    assert json.loads(json.dumps(chosen)) == chosen


def test_the_defaults_are_the_functions():
    measure = NeuralNetDivergenceMeasure()
    assert isinstance(measure.objective, NeuralNetDistance)
    assert (measure.penalty, measure.optimizer) == (None, ADAM)
    defaults = neural_net_divergence.__kwdefaults__
    assert {name: getattr(measure, name) for name in ("steps", "batch_size")} == {
        name: defaults[name] for name in ("steps", "batch_size")
    }


def test_it_looks_at_the_samples_and_needs_no_features():
    assert NeuralNetDivergenceMeasure().needs is None


def test_samples_of_another_shape_than_the_data_are_told(images):
    measure = observed(NeuralNetDivergenceMeasure(), images(20))
    with pytest.raises(DataError, match=r"expected samples of shape \(1, 2, 2\), got \(1, 4, 1\); give them the size"):
        value(measure, images(20).reshape(20, 1, 4, 1))


def test_samples_that_are_not_finite_are_told(images):
    measure = observed(NeuralNetDivergenceMeasure(steps=2), images(20))
    samples = images(20)
    samples[3, 0, 0, 0] = torch.nan
    with pytest.raises(DataError, match="NaN or infinity in 1 of the 20 fake ones"):
        value(measure, samples)


def test_a_class_that_does_not_fit_the_data_is_told_before_training(images, data, real):
    """Also where no real data are measured: there are fewer than 50."""
    scoring = Scoring([NeuralNetDivergenceMeasure(discriminator=lambda shape: nn.Linear(3, 1))], None, 50)
    with pytest.raises(GANError, match=r"cannot take samples of shape \(2, 1, 2, 2\)"):
        scoring.prepare(real(data(images(20), images(20))), CPU)


BAD_OPTIONS = [
    ({"steps": 0}, "steps: expected a whole number of at least 1, got 0"),
    ({"batch_size": 0}, "batch_size: expected a whole number of at least 1, got 0"),
    ({"objective": "log"}, "objective: expected an object of mixgan_lightning.objectives"),
    ({"penalty": 0.1}, "penalty: expected an object such as"),
]


@pytest.mark.parametrize(("options", "message"), BAD_OPTIONS)
def test_options_that_cannot_work_are_told_before_training(options, message, images, data, real):
    with pytest.raises(ConfigurationError, match=message):
        Scoring([NeuralNetDivergenceMeasure(**options)], None, 50).prepare(real(data(images(20), images(20))), CPU)


def test_without_real_data_it_says_what_is_missing(data, real, images):
    scoring = Scoring([NeuralNetDivergenceMeasure()], None, 20)
    with pytest.raises(DataError, match=r"NeuralNetDivergenceMeasure compares samples with real data \(held_out\)"):
        scoring.prepare(real(data(train=images(20))), CPU)
