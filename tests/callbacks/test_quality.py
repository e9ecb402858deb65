import random
from contextlib import nullcontext

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from torch import nn

from mixgan_lightning import GAN, MixGANModule, log_names, mix
from mixgan_lightning.callbacks import InceptionScoreCallback, MixtureMonitor, QualityCallback, SampleGrid
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.evaluation import FrechetMeasure, NearestTrainingImageMeasure
from mixgan_lightning.features import DigitsClassifier

MEAN = log_names.INCEPTION_SCORE_MEAN


def scores(num_samples=50, **options):
    also = [FrechetMeasure(), NearestTrainingImageMeasure()]
    return InceptionScoreCallback(DigitsClassifier(), num_samples, also=also, **options)


CALLBACKS = {
    "scores": lambda folder: [scores()],
    "scores by steps": lambda folder: [scores(every_n_steps=2)],
    "scores of components": lambda folder: [scores(every_n_steps=2, components=True)],
    "pictures": lambda folder: [SampleGrid(folder / "samples", num_images=9)],
    "weights": lambda folder: [MixtureMonitor()],
}
CALLBACKS["all of them"] = lambda folder: [one for name in list(CALLBACKS)[:5] for one in CALLBACKS[name](folder)]


@pytest.mark.parametrize("name", CALLBACKS)
def test_training_is_the_same_with_and_without_the_callbacks(name, tmp_path, fit, digits_model, digits):
    """Parameters, buffers, and the next random numbers of all three streams."""

    def trained(callbacks):
        pl.seed_everything(1, verbose=False)
        model = digits_model(log_probability_lr=0.1)
        fit(model, digits, callbacks=callbacks, max_epochs=2, log_every_n_steps=1)
        return model, (torch.rand(3).tolist(), random.random(), np.random.rand())  # noqa: NPY002

    plain, plain_next = trained([])
    watched, watched_next = trained(CALLBACKS[name](tmp_path))
    assert any("running_mean" in key for key in plain.state_dict())
    for key, value in plain.state_dict().items():
        assert torch.equal(value, watched.state_dict()[key]), key
    assert plain_next == watched_next
    assert all(module.training for module in watched.generators.modules())


# ---------------------------------------------------------------------------------------- when


def test_scores_are_logged_on_the_callbacks_own_schedule_and_after_the_last_epoch(
    fit, digits_model, digits, rows, count
):
    callbacks = [
        QualityCallback([count()], num_samples=7, every_n_epochs=3),
        InceptionScoreCallback(DigitsClassifier(), num_samples=20, every_n_epochs=4),
    ]
    fit(digits_model(), digits, callbacks=callbacks, logger=rows.logger, max_epochs=7, limit_train_batches=1)
    assert rows("quality/count") == [(2, 7), (5, 7), (6, 7)]
    assert [epoch for epoch, _ in rows(MEAN)] == [3, 6]
    assert [seen for _, seen in rows(log_names.IMAGES_SEEN)] == [479 * epoch for epoch in (3, 4, 6, 7, 7)]


def test_scores_by_steps_are_logged_whatever_the_logging_interval(fit, digits_model, digits, rows, count):
    """The batch that the score is after, as all that Lightning logs; nine batches in three epochs."""
    callback = QualityCallback([count()], num_samples=7, every_n_steps=2)
    fit(digits_model(), digits, callbacks=[callback], logger=rows.logger, max_epochs=3, log_every_n_steps=50)
    assert rows("quality/count", at="step") == [(step, 7) for step in (1, 3, 5, 7, 8)]
    assert rows(log_names.IMAGES_SEEN, at="step") == [(step, 479 * (step + 1)) for step in (1, 3, 5, 7, 8)]
    assert [epoch for epoch, _ in rows("quality/count")] == [0, 1, 1, 2, 2]


def test_two_callbacks_may_be_due_in_one_epoch(fit, digits_model, digits, rows, count):
    callbacks = [
        QualityCallback([count()], num_samples=7),
        InceptionScoreCallback(DigitsClassifier(), num_samples=20),
    ]
    fit(digits_model(), digits, callbacks=callbacks, logger=rows.logger, limit_train_batches=1)
    assert rows("quality/count") == [(0, 7)]
    assert len(rows(MEAN)) == 1


def test_what_was_measured_last_is_the_final_model(fit, digits_model, digits):
    callback, model = scores(every_n_epochs=2), digits_model()
    fit(model, digits, callbacks=[callback], max_epochs=3, limit_train_batches=1)
    assert callback.latest == callback.measure(model)
    assert callback.latest_weights == "raw"


def test_a_run_that_early_stopping_ends_is_measured_at_its_end(fit, digits_model, digits):
    """Lightning asks EarlyStopping after all other callbacks."""
    callback, model = scores(every_n_epochs=3), digits_model()
    stop = EarlyStopping(log_names.IMAGES_SEEN, mode="min", patience=1, check_on_train_epoch_end=True)
    options = {"max_epochs": 9, "limit_train_batches": 1, "log_every_n_steps": 1}
    trainer = fit(model, digits, callbacks=[callback, stop], **options)
    assert trainer.current_epoch == 2  # neither the third nor the ninth
    assert callback.latest == callback.measure(model)


@pytest.mark.parametrize(("every", "strict", "refused"), [(2, True, True), (2, False, False), (1, True, False)])
def test_early_stopping_must_find_what_it_looks_for(fit, digits_model, digits, every, strict, refused):
    """Lightning would find out after the first epoch, with a traceback."""
    stop = EarlyStopping(MEAN, mode="max", strict=strict, patience=4)
    options = {"callbacks": [scores(every_n_epochs=every), stop], "max_epochs": 2, "limit_train_batches": 1}
    with pytest.raises(ConfigurationError, match="EarlyStopping looks for") if refused else nullcontext():
        fit(digits_model(), digits, **options)


def test_nothing_is_drawn_at_the_sanity_check_or_in_validation(fit, digits_model, digits, count):
    class Validating(MixGANModule):
        validated = 0

        def validation_step(self, batch, batch_idx):
            self.validated += 1

    class Spy(QualityCallback):
        drawn_at = ()

        def evaluate(self, trainer, module, when):
            self.drawn_at = (*self.drawn_at, (trainer.current_epoch, trainer.validating))
            assert not trainer.sanity_checking
            super().evaluate(trainer, module, when)

    spy = Spy([count()], num_samples=7)
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
    found = [score for _, score in rows(MEAN)]
    assert len(found) == 3
    assert float(keep.best_model_score) == pytest.approx(max(found), rel=1e-6)
    assert keep.best_model_path


def test_model_checkpoint_can_keep_the_best_score_by_steps(tmp_path, fit, digits_model, digits, rows):
    """every_n_train_steps counts both players' steps: four are two batches. Each file is of the weights scored."""
    options = {"every_n_train_steps": 4, "save_top_k": -1, "filename": "{step}", "auto_insert_metric_name": False}
    keep = ModelCheckpoint(tmp_path / "kept", monitor=MEAN, mode="max", **options)
    callback, model = InceptionScoreCallback(DigitsClassifier(), num_samples=50, every_n_steps=2), digits_model()
    more = {"logger": rows.logger, "enable_checkpointing": True, "max_epochs": 2}  # six batches
    fit(model, digits, callbacks=[keep, callback], **more)
    found = [score for _, score in rows(MEAN, at="step")]
    kept = {int(path.stem): path for path in (tmp_path / "kept").iterdir()}
    assert sorted(kept) == [4, 8, 12]
    assert len(found) == len(set(found)) == 3
    assert float(keep.best_model_score) == pytest.approx(max(found), rel=1e-6)
    assert keep.best_model_path == str(kept[4 * (1 + int(np.argmax(found)))])
    for path, score in zip((kept[step] for step in (4, 8, 12)), found, strict=True):
        model.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
        assert callback.measure(model)[MEAN] == pytest.approx(score, rel=1e-12)


# ---------------------------------------------------------------------------------------- of what


def test_the_samples_are_the_mixtures_own_by_the_callbacks_seed(digits_model, count):
    model, measure = digits_model(), count()
    callback = QualityCallback([measure], num_samples=700, seed=3)
    callback.measure(model)
    callback.measure(model, component=1)
    assert torch.equal(measure.measured[0], model.sample(700, seed=3)[0])
    assert torch.equal(measure.measured[1], model.sample(700, seed=3, component=1)[0])


def test_components_are_scored_alone_as_well_in_the_same_numbers(fit, digits_model, digits, rows):
    callback, model = scores(components=True, every_n_steps=2), digits_model(size=3)
    fit(model, digits, callbacks=[callback], logger=rows.logger)  # three batches
    names = [MEAN, log_names.FRECHET_DISTANCE, log_names.NEAREST_TRAINING_IMAGE]
    assert callback.latest == callback.measure(model)  # the mixture's alone
    found = []
    for i in range(3):
        expected = callback.measure(model, component=i)
        for name in names:
            steps, values = zip(*rows(f"quality/component/{i}/{name.removeprefix('quality/')}", at="step"), strict=True)
            assert steps == (1, 2)
            assert values[-1] == pytest.approx(expected[name], rel=1e-12)
            found.append(values[-1])
    assert len(set(found)) == 9


def test_a_measure_of_ones_own_keeps_its_value_beside_those_of_the_components(fit, digits_model, digits, rows, count):
    """Also under a name of another group than quality/."""

    class Mean(count):
        def values(self):
            return {"mean_pixel": float(self.measured[-1].mean())}

    callback, model = QualityCallback([Mean(real_rows=())], 20, components=True), digits_model()
    fit(model, digits, callbacks=[callback], logger=rows.logger, limit_train_batches=1)
    assert rows("mean_pixel") == [(0, pytest.approx(float(model.sample(20, seed=0)[0].mean()), rel=1e-6))]


def test_components_are_not_scored_unless_asked(fit, digits_model, digits, rows, count):
    measure = count(real_rows=())
    fit(digits_model(), digits, callbacks=[QualityCallback([measure], 7)], logger=rows.logger, limit_train_batches=1)
    assert [len(one) for one in measure.measured] == [7]
    assert rows("quality/component/0/count") == []


def test_samples_and_real_data_are_scored_in_equal_numbers(fit, digits_model, digits, count):
    measure = count()
    callback = QualityCallback([measure], num_samples=100)
    fit(digits_model(), digits, callbacks=[callback], limit_train_batches=1)
    real, drawn = measure.measured
    assert len(real) == len(drawn) == 100
    assert torch.equal(real, digits.validation.tensors[0][[k * 360 // 100 for k in range(100)]])
    assert callback.scoring.real == {"quality/count": 100}


def test_without_a_number_as_many_as_held_out_are_drawn(fit, digits_model, digits, count):
    measure = count()
    fit(digits_model(), digits, callbacks=[QualityCallback([measure], None)], limit_train_batches=1)
    assert [len(measured) for measured in measure.measured] == [360, 360]


@pytest.mark.parametrize(("split", "n"), [("train", 1_437), ("held_out", 360), (None, 0)])
def test_a_measure_sees_the_split_that_it_asks_for(split, n, fit, digits_model, digits, count):
    measure = count(reference=split)
    fit(digits_model(), digits, callbacks=[QualityCallback([measure], 10)], limit_train_batches=1)
    assert sum(map(len, measure.observed)) == n


def test_more_samples_than_real_data_leave_the_real_row_out_with_a_warning(fit, digits_model, digits, count):
    callback = QualityCallback([count(), FrechetMeasure()], num_samples=361, features=DigitsClassifier())
    with pytest.warns(UserWarning, match=r"Count: num_samples=361, more than there are real.*not scored"):
        fit(digits_model(), digits, callbacks=[callback], limit_train_batches=1)
    assert set(callback.scoring.real) == {log_names.FRECHET_DISTANCE}  # its real row is training data: enough of them


def test_exactly_as_many_samples_as_real_data_are_scored(fit, digits_model, digits, recwarn, count):
    callback = QualityCallback([count()], num_samples=360)
    fit(digits_model(), digits, callbacks=[callback], limit_train_batches=1)
    assert callback.scoring.real == {"quality/count": 360}
    assert not [warning for warning in recwarn if "num_samples" in str(warning.message)]


@pytest.mark.parametrize(("reference", "num_samples"), [(None, None), ("train", 10), ("held_out", 10)])
def test_without_a_datamodule_what_needs_real_data_is_refused(reference, num_samples, fit, digits_model, count):
    callback, model = QualityCallback([count(reference)], num_samples), digits_model()
    with pytest.raises(DataError, match=r"trainer\.fit\(model, datamodule=\.\.\.\)"):
        fit(model, torch.zeros(32, 1, 8, 8), callbacks=[callback])
    assert model.played.discriminator_steps == 0


def test_without_a_datamodule_samples_alone_are_scored(fit, digits_model, rows):
    callback = InceptionScoreCallback(DigitsClassifier(), num_samples=10)
    fit(digits_model(), torch.zeros(32, 1, 8, 8), callbacks=[callback], logger=rows.logger)
    assert len(rows(MEAN)) == 1
    assert callback.scoring.real == {}


def test_the_same_networks_get_the_same_scores(fit, digits_model, digits):
    """Same seed each time; and the measures forget the samples before."""
    callback, model = scores(60), digits_model()
    fit(model, digits, callbacks=[callback], limit_train_batches=1)
    torch.rand(7)
    assert callback.measure(model) == callback.measure(model)


def test_a_callback_serves_a_second_run_with_other_data(fit, digits_model, digits):
    """What it knew of the first run's data is forgotten."""
    torch.manual_seed(0)
    used, model = scores(60), digits_model()
    fit(model, digits, callbacks=[used], limit_train_batches=1)
    digits.train.tensors = tuple(tensor[:1_000].flip(0) for tensor in digits.train.tensors)
    digits.validation.tensors = tuple(tensor[100:] for tensor in digits.validation.tensors)
    fit(model, digits, callbacks=[used], limit_train_batches=1)
    fresh = InceptionScoreCallback(used.scoring.features, 60, also=[FrechetMeasure(), NearestTrainingImageMeasure()])
    fresh.prepare(model, digits)
    assert used.measure(model) == fresh.measure(model)
    assert used.scoring.real == fresh.scoring.real


def test_how_many_are_scored_is_told_as_it_goes(digits_model, count):
    told = []
    QualityCallback([count()], num_samples=1_300).measure(digits_model(), progress=told.append)
    assert told == [512, 1_024, 1_300]


# ---------------------------------------------------------------------------------------- what cannot be measured


class Gives(nn.Module):
    """Features made of the pixels by any function."""

    def __init__(self, what):
        super().__init__()
        self.what = what

    def forward(self, images):
        return self.what(images.flatten(1))


WRONG = [
    (lambda x: x.reshape(-1, 1, 8, 8), r"got torch\.float32 of shape \(\d+, 1, 8, 8\)"),
    (lambda x: x[:, 0], r"got torch\.float32 of shape \(\d+,\)"),
    (lambda x: x[:1], r"got torch\.float32 of shape \(1, 64\)"),
    (lambda x: x.argmax(1, keepdim=True), r"got torch\.int64 of shape \(\d+, 1\)"),
    (lambda x: (x, x), "got tuple"),
]


@pytest.mark.parametrize("with_data", [True, False])
@pytest.mark.parametrize(("what", "got"), WRONG, ids=["pictures", "no_classes", "one_row", "integers", "tuple"])
def test_features_of_another_shape_are_refused_before_training(what, got, with_data, fit, digits_model, digits):
    model, data = digits_model(), digits if with_data else torch.zeros(32, 1, 8, 8)
    callback = InceptionScoreCallback(Gives(what), num_samples=20)
    with pytest.raises(DataError, match=rf"features' logits to be floating point of shape \(\d+, width\), {got}; wrap"):
        fit(model, data, callbacks=[callback])
    assert model.played.discriminator_steps == 0


def test_features_that_are_not_finite_are_refused_and_counted(digits_model):
    features = Gives(lambda x: torch.where(torch.arange(len(x))[:, None] < 3, float("nan"), x))
    callback = InceptionScoreCallback(features, num_samples=20)
    with pytest.raises(DataError, match="NaN or infinity in the logits of 3 of 20 samples; look at the samples"):
        callback.measure(digits_model())


def test_a_generator_that_diverges_is_told_and_not_that_it_wants_tanh(digits_model, recwarn):
    model = digits_model()
    with torch.no_grad():
        model.generators.log_probabilities.copy_(torch.tensor([0.0, -40.0]))
        model.component(0)[3].bias.fill_(float("nan"))
    with pytest.raises(DataError, match="NaN or infinity in the logits of 20 of 20 samples"):
        InceptionScoreCallback(DigitsClassifier(), num_samples=20).measure(model)
    assert not [str(warning.message) for warning in recwarn if "tanh" in str(warning.message)]


def test_measures_that_need_features_ask_for_them():
    with pytest.raises(ConfigurationError, match=r"FrechetMeasure is computed in features.*pass features="):
        QualityCallback([FrechetMeasure()], 20)
    with pytest.raises(ConfigurationError, match=r"FrechetMeasure needs .*embedding\(samples\).*; Gives has none"):
        QualityCallback([FrechetMeasure()], 20, Gives(nn.Identity()))


def test_fewer_samples_than_splits_are_refused_before_training(fit, digits_model, digits):
    model = digits_model()
    with pytest.raises(ConfigurationError, match=r"num_samples=9: InceptionScoreMeasure needs at least 10 .*splits"):
        fit(model, digits, callbacks=[InceptionScoreCallback(DigitsClassifier(), num_samples=9, splits=10)])
    assert model.played.discriminator_steps == 0


def test_images_are_scored_as_they_would_be_saved(count):
    """A generator without tanh: clamped, with a warning; one that stays inside is not warned of."""

    def gan():
        return GAN(nn.Sequential(nn.Linear(4, 64), nn.Unflatten(1, (1, 8, 8))), nn.Flatten(), latent_dim=4)

    model, measure = mix(gan, 1), count()
    callback = QualityCallback([measure], num_samples=600)
    with pytest.warns(UserWarning, match=r"pixels outside \[-1, 1\], clamped for the scores; end them with tanh"):
        callback.measure(model)
    samples, _ = model.sample(600, seed=0)
    assert samples.abs().max() > 1
    assert torch.equal(measure.measured[0], samples.clamp(-1, 1))


def test_points_are_not_clamped(points_model, count, recwarn):
    model, measure = points_model(), count()
    QualityCallback([measure], num_samples=600).measure(model)
    assert torch.equal(measure.measured[0], model.sample(600, seed=0)[0])
    assert measure.measured[0].abs().max() > 1
    assert not recwarn.list


@pytest.mark.parametrize("option", ["num_samples", "every_n_epochs", "every_n_steps"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_numbers_that_cannot_be_are_refused(option, value):
    with pytest.raises(ConfigurationError, match=f"{option}: expected a whole number"):
        QualityCallback([], **{"num_samples": 10} | {option: value})


def test_both_schedules_at_once_are_refused():
    with pytest.raises(ConfigurationError, match="expected every_n_epochs or every_n_steps, got both"):
        InceptionScoreCallback(DigitsClassifier(), every_n_epochs=1, every_n_steps=10)


@pytest.mark.parametrize("seed", [-1, 0.5, "first", None])
def test_a_seed_that_cannot_be_is_refused(seed):
    with pytest.raises(ConfigurationError, match="seed: expected a whole number"):
        QualityCallback([], 10, seed=seed)
