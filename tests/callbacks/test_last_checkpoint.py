import os

import pytest
import pytorch_lightning as pl
import torch

from mixgan_lightning.callbacks import LastCheckpoint


class Saves(LastCheckpoint):
    """Remembers the epoch after which each file was written."""

    def __init__(self, *args):
        super().__init__(*args)
        self.saved = []

    def watch(self, trainer):
        save = trainer.save_checkpoint

        def watched(path, *args):
            self.saved.append((trainer.current_epoch + 1, os.path.basename(path)))
            save(path, *args)

        trainer.save_checkpoint = watched

    def on_fit_start(self, trainer, pl_module):
        self.watch(trainer)


class StopAt(pl.Callback):
    """After this many batches: end training, or raise."""

    def __init__(self, batches, error=None):
        self.batches, self.error = batches, error

    def on_train_batch_end(self, trainer, *args):
        if trainer.fit_loop.total_batch_idx + 1 == self.batches:
            if self.error is not None:
                raise self.error
            trainer.should_stop = True


def train(fit, model, data, tmp_path, every, *more, **options):
    callback = Saves(tmp_path / "checkpoints", every)
    try:
        fit(model, data, callbacks=[callback, *more], enable_checkpointing=True, **options)
    finally:
        assert {name for _, name in callback.saved} <= {"last.ckpt", "interrupted.ckpt"}
        assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {name for _, name in callback.saved}
    return [epoch for epoch, _ in callback.saved]


@pytest.mark.parametrize(
    ("every", "epochs", "saved"), [(1, 3, [1, 2, 3]), (2, 4, [2, 4]), (2, 5, [2, 4, 5]), (40, 1, [1])]
)
def test_one_file_is_written_when_due_and_after_the_last_epoch(every, epochs, saved, fit, points_model, ring, tmp_path):
    options = {"max_epochs": epochs, "limit_train_batches": 1}
    assert train(fit, points_model(), ring, tmp_path, every, **options) == saved


def test_a_run_that_ends_by_max_steps_or_is_stopped_leaves_the_file_too(fit, points_model, ring, tmp_path):
    model = points_model()
    assert train(fit, model, ring, tmp_path, 40, max_epochs=99, max_steps=8) == [1]
    loaded = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert loaded["global_step"] == 8
    assert train(fit, points_model(), ring, tmp_path, 40, StopAt(3), max_epochs=99) == [1]


def test_a_run_that_is_limited_in_time_leaves_the_file_too(fit, points_model, ring, tmp_path):
    assert train(fit, points_model(), ring, tmp_path, 40_000, max_epochs=99_000, max_time={"seconds": 1})


def test_the_file_holds_the_model_of_the_last_epoch(fit, points_model, ring, tmp_path):
    model = points_model()
    train(fit, model, ring, tmp_path, 2, max_epochs=3, limit_train_batches=1)
    path = tmp_path / "checkpoints" / "last.ckpt"
    loaded = torch.load(path, weights_only=True)
    assert all(torch.equal(value, loaded["state_dict"][key]) for key, value in model.state_dict().items())
    fresh = points_model()
    trainer = fit(fresh, ring, ckpt_path=path, max_epochs=5, limit_train_batches=1)
    assert fresh.played.discriminator_steps == 5
    assert trainer.current_epoch == 5


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("the user's own")])
def test_an_interrupted_run_leaves_the_file(error, fit, points_model, ring, tmp_path, monkeypatch):
    import signal

    monkeypatch.setattr(signal, "signal", lambda *args: None)  # Lightning ignores SIGINT from then on
    with pytest.raises(SystemExit if isinstance(error, KeyboardInterrupt) else RuntimeError):
        train(fit, points_model(), ring, tmp_path, 40, StopAt(3, error), max_epochs=9)
    loaded = torch.load(tmp_path / "checkpoints" / "interrupted.ckpt", weights_only=True)
    assert loaded["mixgan_lightning"]["played"]["discriminator_steps"] == 3
