import random

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from mixgan_lightning import MixGANModule, log_names
from mixgan_lightning.callbacks import (
    FrechetMeasure,
    InceptionScoreCallback,
    MixtureMonitor,
    NearestTrainingImageMeasure,
    QualityCallback,
    SampleGrid,
)
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.features import DigitsClassifier

MEAN = log_names.INCEPTION_SCORE_MEAN


class Count:
    """A measure of the user's own: how many samples, and where they come from."""

    def __init__(self, reference=None, real_row="held_out"):
        self.reference, self.real_row = reference, real_row
        self.measured = []

    def observe(self, reference, device):
        self.observed = sum(map(len, reference))

    def values(self, samples):
        self.measured.append(torch.cat(list(samples)))
        return {"quality/count": float(len(self.measured[-1]))}


def everything(tmp_path):
    features = DigitsClassifier()
    also = [FrechetMeasure(features), NearestTrainingImageMeasure()]
    return [
        InceptionScoreCallback(features, num_samples=50, also=also),
        SampleGrid(tmp_path / "samples", num_images=9),
        MixtureMonitor(),
    ]


@pytest.mark.parametrize("alone", [None, 0, 1, 2])
def test_training_is_the_same_with_and_without_the_callbacks(alone, tmp_path, fit, digits_model, digits):
    """Parameters, buffers, and the next random numbers of all three streams."""

    def trained(callbacks):
        pl.seed_everything(1, verbose=False)
        model = digits_model(log_probability_lr=0.1)
        fit(model, digits, callbacks=callbacks, max_epochs=2, log_every_n_steps=1)
        return model, (torch.rand(3).tolist(), random.random(), np.random.rand())  # noqa: NPY002

    callbacks = everything(tmp_path)
    plain, plain_next = trained([])
    watched, watched_next = trained(callbacks if alone is None else [callbacks[alone]])
    assert any("running_mean" in key for key in plain.state_dict())
    for key, value in plain.state_dict().items():
        assert torch.equal(value, watched.state_dict()[key]), key
    assert plain_next == watched_next
    assert all(module.training for module in watched.generators.modules())


def test_scores_are_logged_on_the_callbacks_own_schedule(fit, digits_model, digits, rows):
    callbacks = [
        QualityCallback([Count()], num_samples=7, every_n_epochs=2),
        InceptionScoreCallback(DigitsClassifier(), num_samples=20, every_n_epochs=3),
    ]
    fit(digits_model(), digits, callbacks=callbacks, logger=rows.logger, max_epochs=6, limit_train_batches=1)
    assert rows("quality/count") == [(1, 7), (3, 7), (5, 7)]
    assert [epoch for epoch, _ in rows(MEAN)] == [2, 5]
    assert [seen for _, seen in rows(log_names.IMAGES_SEEN)] == [479 * epoch for epoch in (2, 3, 4, 6)]


def test_two_callbacks_may_be_due_in_one_epoch(fit, digits_model, digits, rows):
    callbacks = [
        QualityCallback([Count()], num_samples=7),
        InceptionScoreCallback(DigitsClassifier(), num_samples=20),
    ]
    fit(digits_model(), digits, callbacks=callbacks, logger=rows.logger, limit_train_batches=1)
    assert rows("quality/count") == [(0, 7)]
    assert len(rows(MEAN)) == 1


def test_nothing_is_drawn_at_the_sanity_check_or_in_validation(fit, digits_model, digits):
    class Validating(MixGANModule):
        validated = 0

        def validation_step(self, batch, batch_idx):
            self.validated += 1

    class Spy(QualityCallback):
        drawn_at = ()

        def measure(self, module, component=None):
            self.drawn_at = (*self.drawn_at, (module.trainer.current_epoch, module.trainer.validating))
            assert not module.trainer.sanity_checking
            return super().measure(module, component)

    spy = Spy([Count()], num_samples=7)
    model = Validating(digits_model()._factory, size=2)
    trainer = fit(model, digits, callbacks=[spy], num_sanity_val_steps=1, limit_train_batches=1, max_epochs=2)
    assert model.validated  # so there was a sanity check
    assert spy.drawn_at == ((0, False), (1, False))
    trainer.validate(model, digits, verbose=False)
    assert len(spy.drawn_at) == 2


def test_model_checkpoint_can_keep_the_best_score(tmp_path, fit, digits_model, digits, rows):
    keep = ModelCheckpoint(tmp_path, monitor=MEAN, mode="max", save_on_train_epoch_end=True, filename="best")
    callbacks = [keep, InceptionScoreCallback(DigitsClassifier(), num_samples=50)]  # the checkpoint listed first
    fit(digits_model(), digits, callbacks=callbacks, logger=rows.logger, enable_checkpointing=True, max_epochs=3)
    scores = [score for _, score in rows(MEAN)]
    assert len(scores) == 3
    assert float(keep.best_model_score) == pytest.approx(max(scores), rel=1e-6)
    assert keep.best_model_path


def test_the_samples_are_the_mixtures_own_by_the_callbacks_seed(digits_model):
    model, count = digits_model(), Count()
    callback = QualityCallback([count], num_samples=700, seed=3)
    callback.measure(model)
    callback.measure(model, component=1)
    assert torch.equal(count.measured[0], model.sample(700, seed=3)[0])
    assert torch.equal(count.measured[1], model.sample(700, seed=3, component=1)[0])


def test_samples_and_real_data_are_scored_in_equal_numbers(fit, digits_model, digits):
    count = Count()
    callback = QualityCallback([count], num_samples=100)
    fit(digits_model(), digits, callbacks=[callback], limit_train_batches=1)
    real, drawn = count.measured
    assert len(real) == len(drawn) == 100
    assert torch.equal(real, digits.validation.tensors[0][:100])
    assert callback.real == {"quality/count": 100}


def test_without_a_number_as_many_as_held_out_are_drawn(fit, digits_model, digits):
    count = Count()
    fit(digits_model(), digits, callbacks=[QualityCallback([count], None)], limit_train_batches=1)
    assert [len(measured) for measured in count.measured] == [360, 360]


@pytest.mark.parametrize(("split", "n"), [("train", 1_437), ("held_out", 360), (None, 0)])
def test_a_measure_sees_the_split_that_it_asks_for(split, n, fit, digits_model, digits):
    count = Count(reference=split)
    fit(digits_model(), digits, callbacks=[QualityCallback([count], 10)], limit_train_batches=1)
    assert count.observed == n


def test_more_samples_than_real_data_leave_the_real_row_out_with_a_warning(fit, digits_model, digits):
    callback = QualityCallback([Count(), FrechetMeasure(DigitsClassifier())], num_samples=361)
    with pytest.warns(UserWarning, match=r"num_samples=361, but the held_out data hold only 360.*not scored"):
        fit(digits_model(), digits, callbacks=[callback], limit_train_batches=1)
    assert set(callback.real) == {log_names.FRECHET_DISTANCE}  # its real row is training data: there are enough


def test_exactly_as_many_samples_as_real_data_are_scored(fit, digits_model, digits, recwarn):
    callback = QualityCallback([Count()], num_samples=360)
    fit(digits_model(), digits, callbacks=[callback], limit_train_batches=1)
    assert callback.real == {"quality/count": 360}
    assert not [warning for warning in recwarn if "num_samples" in str(warning.message)]


@pytest.mark.parametrize(
    "callback", [QualityCallback([Count()], None), QualityCallback([Count(reference="train")], num_samples=10)]
)
def test_without_a_datamodule_what_needs_real_data_is_refused(callback, fit, digits_model):
    with pytest.raises(DataError, match=r"trainer\.fit\(model, datamodule=\.\.\.\)"):
        fit(digits_model(), torch.zeros(32, 1, 8, 8), callbacks=[callback])


def test_without_a_datamodule_samples_alone_are_scored(fit, digits_model, rows):
    callback = InceptionScoreCallback(DigitsClassifier(), num_samples=10)
    fit(digits_model(), torch.zeros(32, 1, 8, 8), callbacks=[callback], logger=rows.logger)
    assert len(rows(MEAN)) == 1
    assert callback.real == {}


def test_the_same_networks_get_the_same_scores(fit, digits_model, digits):
    """Same seed each time; and the measures forget the samples before."""
    torch.manual_seed(0)
    features = DigitsClassifier()
    callback = InceptionScoreCallback(features, 60, also=[FrechetMeasure(features), NearestTrainingImageMeasure()])
    model = digits_model()
    fit(model, digits, callbacks=[callback], limit_train_batches=1)
    torch.rand(7)
    assert callback.measure(model) == callback.measure(model)


@pytest.mark.parametrize("option", ["num_samples", "every_n_epochs"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_numbers_that_cannot_be_are_refused(option, value):
    with pytest.raises(ConfigurationError, match=f"{option}: expected a whole number"):
        QualityCallback([], **{"num_samples": 10} | {option: value})
