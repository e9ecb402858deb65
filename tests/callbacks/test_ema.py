from contextlib import suppress

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging
from torch.utils.data import DataLoader, TensorDataset

from mixgan_lightning import MixGANModule, log_names, mix
from mixgan_lightning.callbacks import EMA, InceptionScoreCallback, LastCheckpoint, QualityCallback
from mixgan_lightning.callbacks.ema import holding
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.features import DigitsClassifier

CONFIG = {
    "_target_": "mixgan_lightning.GAN",
    "generator": {"_target_": "torch.nn.Linear", "in_features": 3, "out_features": 2},
    "discriminator": {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 1},
    "latent_dim": 3,
}


class Raw(pl.Callback):
    """The weights and buffers after each batch, those that training goes on with."""

    def __init__(self):
        self.states = []

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.states.append(copied(pl_module))


def copied(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def averaged(states, decay, every=1):
    """θ̄ ← decay · θ̄ + (1 − decay) · θ after every n-th batch, from the first of them on; floating point alone."""
    due = states[every - 1 :: every]
    found = {key: value.double() for key, value in due[0].items() if value.is_floating_point()}
    for state in due[1:]:
        found = {key: decay * value + (1 - decay) * state[key].double() for key, value in found.items()}
    return found


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


# ---------------------------------------------------------------------------------------- the average


@pytest.mark.parametrize(("every", "n_critic"), [(1, 1), (2, 1), (3, 1), (7, 1), (1, 2), (2, 3)])
def test_the_average_is_that_of_the_weights_after_every_nth_batch(every, n_critic, fit, toy):
    """In float64, of parameters and of BatchNorm's statistics; with two optimiser steps a batch, or fewer."""
    raw, model = Raw(), mix(toy(batchnorm=True), 2, n_critic=n_critic, log_probability_lr=0.1).double()
    data = torch.randn(80, 2, dtype=torch.float64)
    fit(model, data, callbacks=[EMA(0.6, every), raw], max_epochs=2)
    assert len(raw.states) == 10
    expected = averaged(raw.states, 0.6, every)
    assert any("running_var" in key for key in expected)
    for key, value in expected.items():
        torch.testing.assert_close(model.state_dict()[key], value, rtol=1e-12, atol=1e-14)
    last = raw.states[-1]["generators.components.0.0.weight"]
    assert not torch.allclose(model.component(0)[0].weight, last, atol=1e-6)


def test_in_float32_the_average_loses_no_more_than_its_rounding(fit, toy):
    raw, model = Raw(), mix(toy(), 2)
    fit(model, torch.randn(160, 2), callbacks=[EMA(0.9), raw], max_epochs=3)
    for key, value in averaged(raw.states, 0.9).items():
        torch.testing.assert_close(model.state_dict()[key].double(), value, rtol=1e-5, atol=1e-6)


def test_without_decay_the_average_is_the_last_weights(fit, toy):
    raw, model = Raw(), mix(toy(), 2)
    fit(model, torch.randn(80, 2), callbacks=[EMA(0.0), raw])
    assert equal(copied(model), raw.states[-1])


def test_classes_are_counted_and_not_averaged(fit, conditional_toy):
    """In whole numbers an average would stand still: sampling would draw the classes of the first batch alone."""
    labels = torch.arange(96) // 32
    model = mix(conditional_toy(), 2)
    data = DataLoader(TensorDataset(torch.randn(96, 2), labels), 16)
    fit(model, data, callbacks=[EMA(0.99)])
    assert model.label_counts.tolist() == [32, 32, 32]


@pytest.mark.parametrize("decay", [1, 1.5, -0.1, float("nan"), "0.9", None])
def test_a_decay_that_cannot_be_is_refused(decay):
    with pytest.raises(ConfigurationError, match="decay: expected a number"):
        EMA(decay)


@pytest.mark.parametrize("every", [0, -1, 1.5, True])
def test_a_number_of_batches_that_cannot_be_is_refused(every):
    with pytest.raises(ConfigurationError, match="every_n_batches: expected a whole number of at least 1"):
        EMA(every_n_batches=every)


# ---------------------------------------------------------------------------------------- what training sees of it


@pytest.mark.parametrize("scored", [False, True])
@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-mixed"])
def test_training_is_the_same_with_and_without_averaging(scored, precision, fit, toy, count):
    """The raw weights after each batch, also where averaged ones are scored between; and the random stream."""
    data = torch.randn(80, 2, dtype=torch.float64 if precision == "64-true" else torch.float32)

    def trained(*callbacks):
        torch.manual_seed(1)
        raw = Raw()
        fit(mix(toy(batchnorm=True), 2), data, callbacks=[*callbacks, raw], precision=precision)
        return raw.states, torch.rand(3).tolist()

    scoring = [QualityCallback([count()], 10, every_n_steps=1)] * scored
    (plain, plain_next), (watched, watched_next) = trained(), trained(EMA(0.5), *scoring)
    assert len(plain) == 5
    assert all(equal(one, other) for one, other in zip(plain, watched, strict=True))
    assert plain_next == watched_next


def test_after_an_error_the_raw_weights_are_back(fit, toy):
    seen = []

    class Fail(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            seen.append(copied(pl_module))
            with suppress(ZeroDivisionError), holding("ema", trainer, pl_module):
                seen.append(copied(pl_module))
                raise ZeroDivisionError
            seen.append(copied(pl_module))

    fit(mix(toy(), 2), torch.randn(80, 2), callbacks=[Fail(), EMA(0.5)])
    before, inside, after = seen
    assert equal(before, after)
    assert not equal(before, inside)


@pytest.mark.parametrize("every", [1, 2])
def test_a_resumed_run_averages_as_an_uninterrupted_one(every, fit, toy, tmp_path):
    """Five batches an epoch: of every second, the count has to go on."""
    data = torch.randn(80, 2)

    class Save(pl.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            trainer.save_checkpoint(tmp_path / f"{trainer.current_epoch}.ckpt")

    whole, resumed = mix(toy(), 2), mix(toy(), 2)
    fit(whole, data, seed=3, callbacks=[EMA(0.5, every), Save()], max_epochs=2)
    fit(resumed, data, seed=3, callbacks=[EMA(0.5, every)], max_epochs=2, ckpt_path=tmp_path / "0.ckpt")
    assert equal(copied(resumed), copied(whole))


# ---------------------------------------------------------------------------------------- what is scored


@pytest.fixture
def scored(fit, digits_model, digits):
    """``scored(before, weights=None, **options)``: a run with the quality callback listed before the average, or after.

    Returns the callback, its score of the raw weights, and its score of the averaged ones.
    """

    def run(before, weights=None, average=None, **options):
        torch.manual_seed(0)
        callback = InceptionScoreCallback(DigitsClassifier(), 60, weights=weights, **options)
        raw, model, average = Raw(), digits_model(log_probability_lr=0.1), average or EMA(0.5)
        callbacks = [callback, average] if before else [average, callback]
        fit(model, digits, callbacks=[*callbacks, raw], max_epochs=2)  # 3 batches an epoch
        of_averaged = callback.measure(model)
        model.load_state_dict(raw.states[-1])
        of_raw = callback.measure(model)
        assert of_raw != of_averaged
        return callback, {"raw": of_raw, "ema": of_averaged}

    return run


@pytest.mark.parametrize("options", [{}, {"every_n_steps": 2}, {"every_n_steps": 4}], ids=str)
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("weights", "expected"), [(None, "ema"), ("ema", "ema"), ("raw", "raw")])
def test_the_weights_that_were_asked_for_are_scored_whatever_the_order(before, weights, expected, options, scored):
    callback, of = scored(before, weights, **options)
    assert callback.latest == of[expected]
    assert callback.latest_weights == expected


@pytest.mark.parametrize("before", [True, False])
def test_lightnings_own_averaging_is_recognised(before, scored):
    callback, of = scored(before, average=EMAWeightAveraging(decay=0.5))
    assert callback.latest == of["ema"]
    assert callback.latest_weights == "ema"


def test_averaged_components_are_scored_alone_too(fit, digits_model, digits, rows):
    callback = InceptionScoreCallback(DigitsClassifier(), 60, components=True)
    model = digits_model()
    fit(model, digits, callbacks=[callback, EMA(0.5)], logger=rows.logger)
    name = log_names.INCEPTION_SCORE_MEAN
    for i in range(2):
        expected = callback.measure(model, component=i)[name]
        assert rows(log_names.of_component(i, name)) == [(0, pytest.approx(expected, rel=1e-12))]


def test_averaged_weights_that_nobody_averages_are_refused_before_training(fit, points_model, ring, count):
    model = points_model()
    with pytest.raises(ConfigurationError, match=r"nothing averages the weights; add the EMA callback \(callbacks=em"):
        fit(model, ring, callbacks=[QualityCallback([count()], 10, weights="ema")])
    assert model.played.discriminator_steps == 0


@pytest.mark.parametrize("average", [EMA(0.5, every_n_batches=5), EMAWeightAveraging(update_every_n_steps=2)])
def test_before_the_first_update_raw_weights_are_scored_and_said_so(average, fit, points_model, ring, count, capsys):
    """Lightning's own never updates then: two optimiser steps a batch, so that it counts 1, 3, 5 …"""
    callback = QualityCallback([count()], 10)
    model = points_model()
    fit(model, ring, callbacks=[average, Raw(), callback], limit_train_batches=4)
    assert callback.latest_weights == "raw"
    assert "epoch 1: quality/count 10" in capsys.readouterr().out


def test_what_was_scored_is_said(fit, points_model, ring, count, capsys):
    callback = QualityCallback([count()], 10, every_n_steps=2)
    fit(points_model(), ring, callbacks=[EMA(0.5, every_n_batches=4), callback], limit_train_batches=5)
    assert capsys.readouterr().out.splitlines() == [
        "step 2: quality/count 10",
        "step 4, averaged weights: quality/count 10",
        "epoch 1, averaged weights: quality/count 10",
    ]


@pytest.mark.parametrize("weights", ["averaged", 1, True])
def test_weights_of_another_name_are_refused(weights):
    with pytest.raises(ConfigurationError, match=f"weights: expected ema, raw or null, got {weights!r}"):
        QualityCallback([], 10, weights=weights)


# ---------------------------------------------------------------------------------------- what is kept


@pytest.fixture
def kept(fit, tmp_path):
    """(path of last.ckpt, raw state at the end, model that holds the averaged weights) of a run with EMA."""
    raw, model = Raw(), mix(CONFIG, 2)
    callbacks = [LastCheckpoint(tmp_path / "checkpoints"), EMA(0.5), raw]
    fit(model, torch.randn(80, 2), callbacks=callbacks, enable_checkpointing=True)
    return tmp_path / "checkpoints" / "last.ckpt", raw.states[-1], model


def test_the_checkpoint_holds_averaged_and_raw_weights(kept):
    path, raw, model = kept
    contents = torch.load(path, weights_only=True)
    assert equal(contents["state_dict"], copied(model))
    assert equal(contents["current_model_state"], raw)
    assert not equal(contents["state_dict"], raw)


def test_either_is_loaded_when_asked_for(kept):
    path, raw, model = kept
    loaded = {weights: MixGANModule.load_from_checkpoint(path, weights=weights) for weights in (None, "ema", "raw")}
    assert equal(copied(loaded["ema"]), copied(model))
    assert equal(copied(loaded[None]), copied(model))
    assert equal(copied(loaded["raw"]), raw)
    assert loaded["raw"].played == loaded["ema"].played == model.played


def test_a_run_goes_on_from_the_raw_weights(kept, fit):
    path, raw, _ = kept
    seen = []

    class First(pl.Callback):
        def on_train_start(self, trainer, pl_module):
            seen.append(copied(pl_module))

    fit(mix(CONFIG, 2), torch.randn(80, 2), callbacks=[First(), EMA(0.5)], ckpt_path=path, max_epochs=2)
    assert equal(seen[0], raw)
