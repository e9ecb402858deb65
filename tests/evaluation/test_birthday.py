import json
import math

import pytest
import torch

from mixgan_lightning import log_names
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.evaluation import BirthdayMeasure, Scoring
from mixgan_lightning.evaluation.seen import see
from mixgan_lightning.theory import birthday_support, near_duplicate_distance

CPU = torch.device("cpu")


def observed(measure, reference, features=None):
    for index in torch.arange(len(reference)).split(7):
        measure.observe(see(features, reference[index], index))
    measure.ready(CPU)
    return measure


def values(measure, samples, features=None, order=None):
    measure.reset()
    for index in (torch.arange(len(samples)) if order is None else order).split(11):
        measure.update(see(features, samples[index], index))
    return measure.values()


@pytest.fixture
def repeated(images):
    """100 samples of 10 images, with a little noise."""
    return images(10, seed=1).repeat(10, 1, 1, 1) + 1e-4 * images(100, seed=2)


def test_it_is_the_functions_estimate_at_the_references_threshold(images, repeated):
    real = images(60)
    measure = observed(BirthdayMeasure(quantile=0.2), real)
    expected = birthday_support(repeated, near_duplicate_distance(real, 0.2))
    assert values(measure, repeated) == {
        log_names.SUPPORT: pytest.approx(expected.estimate),
        log_names.SUPPORT_AT_LEAST: pytest.approx(expected.low),
    }
    assert measure.found.pairs == expected.pairs >= 450
    assert measure.settings["threshold"] == pytest.approx(expected.threshold)


def test_without_a_collision_there_is_a_lower_end_alone(images):
    measure = observed(BirthdayMeasure(quantile=0), images(60))
    grid = torch.arange(20.0).view(20, 1, 1, 1).expand(20, 1, 2, 2)
    assert values(measure, grid) == {log_names.SUPPORT_AT_LEAST: pytest.approx(20 * 19 / 2 / -math.log(0.025))}
    assert measure.found.estimate == math.inf


def test_features_may_take_the_place_of_pixels(images, features, repeated):
    measure = BirthdayMeasure(space="embedding", quantile=0.2)
    assert (measure.needs, BirthdayMeasure().needs) == ("embedding", None)
    observed(measure, images(60), features)
    features.eval()
    of_real, of_samples = (features.embedding(x).detach() for x in (images(60), repeated))
    expected = birthday_support(of_samples, near_duplicate_distance(of_real, 0.2))
    assert values(measure, repeated, features)[log_names.SUPPORT] == pytest.approx(expected.estimate)


def test_at_most_so_many_evenly_spaced_samples_are_compared(images):
    samples, real = images(100), images(300, seed=3) / 100
    samples[1::2] = 0  # half of them are alike, and each other one is looked at
    measure = observed(BirthdayMeasure(quantile=0, limit=50), real)
    values(measure, samples)
    assert (measure.found.samples, measure.found.pairs) == (50, 0)
    samples[40] = samples[2]
    values(measure, samples)
    assert sorted(measure.found.closest[0].tolist()) == [2, 40]  # numbers of the samples, not of those compared
    thinned = near_duplicate_distance(real[::6], 0)
    assert thinned > near_duplicate_distance(real, 0)
    assert measure.settings["threshold"] == pytest.approx(thinned)


def test_real_data_of_the_other_split_stand_beside(images, data, real):
    scoring = Scoring([BirthdayMeasure(quantile=0.2)], None, None)
    train, held_out = images(200), images(200, seed=1)
    scoring.prepare(real(data(train, held_out)), CPU)
    expected = birthday_support(train, near_duplicate_distance(held_out, 0.2))
    assert scoring.real[log_names.SUPPORT] == pytest.approx(expected.estimate)
    assert set(scoring.real_splits.values()) == {"train"}
    assert BirthdayMeasure("train").real_rows == ("held_out",)


def test_settings_say_what_the_value_depends_on(images):
    measure = BirthdayMeasure()
    expected = {"reference": "held_out", "space": "pixels", "quantile": 0.01, "limit": 10_000}
    assert measure.settings == expected
    assert json.loads(json.dumps(observed(measure, images(20)).settings)).keys() == {*expected, "threshold"}


def test_samples_of_another_shape_than_the_data_are_told(images):
    measure = observed(BirthdayMeasure(), images(20))
    with pytest.raises(DataError, match=r"expected samples of shape \(1, 2, 2\), got \(1, 4, 1\)"):
        values(measure, images(20).reshape(20, 1, 4, 1))


def test_too_few_samples_are_told_before_any_is_drawn(images, data, real):
    with pytest.raises(ConfigurationError, match="num_samples=8: BirthdayMeasure needs at least 9 samples"):
        Scoring([BirthdayMeasure()], None, 8).prepare(real(data(images(20), images(20))), CPU)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": "latents"}, "space: expected pixels or embedding, got 'latents'"),
        ({"limit": 8}, "limit: expected at least 9 samples, got 8"),
        ({"limit": 0}, "limit: expected a whole number of at least 1, got 0"),
        ({"reference": "test"}, "expected train or held_out, got 'test'"),
    ],
)
def test_options_that_cannot_work_are_told(options, message):
    with pytest.raises(ConfigurationError, match=message):
        BirthdayMeasure(**options)


def test_a_quantile_that_cannot_be_is_told_before_training(images, data, real):
    with pytest.raises(ConfigurationError, match="quantile: expected a number in 0 … 1, got 7"):
        Scoring([BirthdayMeasure(quantile=7)], None, 20).prepare(real(data(images(20), images(20))), CPU)
