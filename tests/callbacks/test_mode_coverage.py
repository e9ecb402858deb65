import math

import pytest
import torch

from mixgan_lightning import log_names
from mixgan_lightning.callbacks import ModeCoverageCallback, SampleGrid
from mixgan_lightning.data import GaussiansGrid
from mixgan_lightning.errors import DataError
from mixgan_lightning.metrics import ModeCoverage

NAMES = [log_names.MODES_COVERED, log_names.GOOD_SHARE, log_names.REVERSE_KL]


def test_modes_of_the_ring_are_counted_during_training(fit, points_model, ring, rows):
    callback = ModeCoverageCallback(num_samples=150, seed=2)
    model = points_model()
    fit(model, ring, callbacks=[callback], logger=rows.logger, max_epochs=2, limit_train_batches=1)
    metric = ModeCoverage(ring.centers, ring.sd)
    metric.update(model.sample(150, seed=2)[0])
    for name, value in zip(NAMES, map(float, metric.compute()), strict=True):
        assert rows(name)[-1] == (1, pytest.approx(value))
        assert len(rows(name)) == 2


def test_the_real_ring_covers_its_eight_modes(fit, points_model, ring):
    """And 98.9 % of a Gaussian's points lie within 3 sd."""
    callback = ModeCoverageCallback(num_samples=1_000)
    fit(points_model(), ring, callbacks=[callback], limit_train_batches=1)
    points = ring.validation.tensors[0][:1_000]
    near = torch.cdist(points, ring.centers).amin(1) <= 3 * ring.sd
    assert callback.scoring.real[log_names.MODES_COVERED] == 8
    assert callback.scoring.real[log_names.GOOD_SHARE] == pytest.approx(float(near.double().mean()))
    assert 0.95 < callback.scoring.real[log_names.GOOD_SHARE] < 1
    assert callback.scoring.real[log_names.REVERSE_KL] < 0.1


def test_a_generator_of_one_mode_covers_one_of_the_datamodules_four(fit, points_model, ring):
    callback = ModeCoverageCallback(num_samples=200)
    model = points_model(size=1)
    fit(model, GaussiansGrid(num_samples=1_000, side=2), callbacks=[callback], limit_train_batches=1)
    with torch.no_grad():
        model.component(0).weight.zero_()
        model.component(0).bias.copy_(torch.tensor([1.0, -1.0]))  # one mode of {−1, 1}²
    assert callback.measure(model) == pytest.approx(dict(zip(NAMES, [1, 1, math.log(4)], strict=True)))


def test_each_component_is_counted_alone_as_well(fit, points_model, ring, rows):
    callback = ModeCoverageCallback(num_samples=200, components=True)
    model = points_model()
    fit(model, ring, callbacks=[callback], logger=rows.logger, limit_train_batches=1)
    for i in range(2):
        found = {name: rows(log_names.of_component(i, name)) for name in NAMES}
        expected = callback.measure(model, component=i)
        assert found == {name: [(0, pytest.approx(expected[name]))] for name in NAMES}


def test_a_measure_that_is_added_is_measured_beside_the_modes_however_often_data_are_observed(
    points_model, ring, count
):
    callback = ModeCoverageCallback(num_samples=200)
    callback.scoring.add(count())
    for _ in range(2):
        callback.prepare(points_model(), ring)
        assert list(callback.scoring.real) == [*NAMES, "quality/count"]
        assert callback.scoring.real["quality/count"] == 200


def test_other_data_are_refused(fit, digits_model, digits):
    with pytest.raises(DataError, match="counts modes of GaussiansRing or GaussiansGrid, got DigitsDataModule"):
        fit(digits_model(), digits, callbacks=[ModeCoverageCallback()])


def test_training_on_the_ring_is_the_same_with_and_without_counting(fit, points_model, ring, tmp_path):
    def trained(*callbacks):
        torch.manual_seed(1)
        model = points_model()
        fit(model, ring, callbacks=callbacks, max_epochs=2)
        return model.state_dict(), torch.rand(3).tolist()

    (plain, plain_next), (watched, watched_next) = trained(), trained(ModeCoverageCallback(100), SampleGrid(tmp_path))
    assert all(torch.equal(value, watched[key]) for key, value in plain.items())
    assert plain_next == watched_next
