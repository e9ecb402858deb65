import time

import pytest
import pytorch_lightning as pl

from mixgan_lightning.callbacks.occasion import Occasion
from mixgan_lightning.errors import ConfigurationError


class Turns(pl.Callback):
    """The batches and epochs, counted from 1, whose ends were its occasion."""

    def __init__(self, **options):
        self.occasion, self.batches, self.epochs = Occasion(**options), [], []

    def on_train_batch_end(self, trainer, *args):
        if self.occasion.after_batch(trainer):
            self.batches.append(trainer.fit_loop.total_batch_idx + 1)

    def on_train_epoch_end(self, trainer, *args):
        if self.occasion.after_epoch(trainer):
            self.epochs.append(trainer.current_epoch + 1)


class Stop(pl.Callback):
    """Ends training after a batch, or after an epoch."""

    def __init__(self, batch=None, epoch=None):
        self.batch, self.epoch = batch, epoch

    def on_train_batch_end(self, trainer, *args):
        trainer.should_stop |= trainer.fit_loop.total_batch_idx + 1 == self.batch

    def on_train_epoch_end(self, trainer, *args):
        trainer.should_stop |= trainer.current_epoch + 1 == self.epoch


@pytest.fixture
def turns(fit, points_model, ring):
    """``turns({"every_n_epochs": 2}, max_epochs=5)``: (batches, epochs) of a run with three batches an epoch."""

    def run(occasion, *more, **options):
        found = Turns(**occasion)
        fit(points_model(), ring, callbacks=[*more, found], **{"limit_train_batches": 3} | options)
        return found.batches, found.epochs

    return run


@pytest.mark.parametrize(
    ("occasion", "epochs", "expected"),
    [
        ({}, 3, ([], [1, 2, 3])),
        ({"every_n_epochs": 2}, 4, ([], [2, 4])),
        ({"every_n_epochs": 2}, 5, ([], [2, 4, 5])),
        ({"every_n_epochs": 40}, 1, ([], [1])),
        ({"every_n_steps": 2}, 3, ([2, 4, 6, 8], [3])),
        ({"every_n_steps": 3}, 3, ([3, 6, 9], [])),  # the last batch was the occasion
        ({"every_n_steps": 5}, 3, ([5], [3])),
        ({"every_n_steps": 100}, 2, ([], [2])),
        ({"every_n_steps": 1}, 1, ([1, 2, 3], [])),
    ],
)
def test_every_so_often_and_once_after_the_last_epoch(occasion, epochs, expected, turns):
    assert turns(occasion, max_epochs=epochs) == expected


@pytest.mark.parametrize(("occasion", "batches"), [({"every_n_epochs": 40}, []), ({"every_n_steps": 3}, [3])])
def test_a_run_that_ends_within_an_epoch_ends_with_its_turn(occasion, batches, turns):
    """By max_steps, which counts the optimiser steps of both players: four batches of five; or stopped."""
    assert turns(occasion, max_epochs=9, max_steps=8, limit_train_batches=5) == (batches, [1])
    assert turns(occasion, Stop(batch=4), max_epochs=9, limit_train_batches=5) == (batches, [1])


def test_a_run_that_is_limited_in_time_ends_with_its_turn(turns):
    class Sleep(pl.Callback):
        def on_train_batch_end(self, *args):
            time.sleep(0.05)

    limits = {"max_epochs": 9, "limit_train_batches": 50, "max_time": {"milliseconds": 200}}
    assert turns({"every_n_epochs": 40}, Sleep(), **limits) == ([], [1])


def test_a_run_that_is_stopped_at_the_end_of_an_epoch_ends_with_its_turn(turns):
    assert turns({"every_n_epochs": 40}, Stop(epoch=2), max_epochs=9) == ([], [2])


def test_a_run_without_a_last_epoch_has_none(turns):
    """Until it is stopped."""
    assert turns({"every_n_epochs": 2}, Stop(batch=14), max_epochs=-1) == ([], [2, 4, 5])


def test_a_resumed_run_goes_on_counting(fit, points_model, ring, tmp_path):
    first, second = Turns(every_n_steps=4), Turns(every_n_steps=4)
    trainer = fit(points_model(), ring, callbacks=[first], limit_train_batches=3, max_epochs=2)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    options = {"ckpt_path": tmp_path / "a.ckpt", "limit_train_batches": 3, "max_epochs": 4}
    fit(points_model(), ring, callbacks=[second], **options)
    assert (first.batches, first.epochs) == ([4], [2])
    assert (second.batches, second.epochs) == ([8, 12], [])


def test_epochs_and_steps_at_once_are_refused():
    with pytest.raises(ConfigurationError, match=r"got both \(2 and 3\); set the other to null"):
        Occasion(every_n_epochs=2, every_n_steps=3)


@pytest.mark.parametrize("option", ["every_n_epochs", "every_n_steps"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, False, "2"])
def test_numbers_that_cannot_be_are_refused(option, value):
    with pytest.raises(ConfigurationError, match=f"{option}: expected a whole number of at least 1, got {value!r}"):
        Occasion(**{option: value})
