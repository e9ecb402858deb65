import os
import signal
import threading

import pytest
import pytorch_lightning as pl
import torch

from mixgan_lightning.callbacks import LastCheckpoint, StopBetweenBatches


class Send(pl.Callback):
    """The signal, to this process, while a batch is trained."""

    def __init__(self, *signals, batch=2):
        self.signals, self.batch, self.trained = signals, batch, 0

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.fit_loop.total_batch_idx + 1 == self.batch:
            for signum in self.signals:
                os.kill(os.getpid(), signum)

    def on_train_batch_end(self, trainer, *_):
        self.trained += 1


@pytest.fixture
def handlers():
    """What listened before; the tests' own, so that a signal that nobody takes ends nothing."""
    before = {each: signal.signal(each, lambda *_: None) for each in (signal.SIGTERM, signal.SIGINT)}
    yield {each: signal.getsignal(each) for each in before}
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_training_ends_after_the_batch_with_a_shells_status(signum, status, fit, points_model, tmp_path, handlers):
    send = Send(signum)
    callbacks = [StopBetweenBatches(), send, LastCheckpoint(tmp_path)]
    with pytest.raises(SystemExit) as stop:
        fit(points_model(), torch.randn(64, 2), callbacks=callbacks, max_epochs=3, enable_checkpointing=True)
    assert stop.value.code == status
    assert send.trained == 2
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert saved["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["completed"] == 2
    assert {each: signal.getsignal(each) for each in handlers} == handlers


def test_a_second_ctrl_c_does_not_wait_for_the_batch(fit, points_model, handlers):
    send = Send(signal.SIGINT, signal.SIGINT)
    with pytest.raises(SystemExit) as stop:
        fit(points_model(), torch.randn(64, 2), callbacks=[StopBetweenBatches(), send])
    assert isinstance(stop.value.__context__, KeyboardInterrupt)
    assert send.trained == 1


def test_in_another_thread_no_signal_can_be_listened_to_and_the_training_goes_on(fit, points_model, handlers):
    send = Send()
    training = {"callbacks": [StopBetweenBatches(), send]}
    thread = threading.Thread(target=fit, args=(points_model(), torch.randn(64, 2)), kwargs=training)
    thread.start()
    thread.join()
    assert send.trained == 4
    assert {each: signal.getsignal(each) for each in handlers} == handlers
