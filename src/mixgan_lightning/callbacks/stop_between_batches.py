"""Ends a training between two batches when it is told to end: by what preempts its job (SIGTERM), or by Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import SIGTERMException

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopBetweenBatches(pl.Callback):
    """At SIGTERM or Ctrl-C the batch is trained to its end, on all processes the same one; then the training ends.

    Lightning raises its ``SIGTERMException``, a ``SystemExit``, there, at which `LastCheckpoint` saves: what goes on
    from that checkpoint does so exactly. The exit status is 143 or 130, as a shell's; Lightning's alone would be 0. A
    second Ctrl-C does not wait for the batch.

    Lightning's own handler sends messages between processes from within the signal, which may come in the middle of
    another message; this one sets a flag, and the processes agree on it after the batch.
    """

    def __init__(self) -> None:
        self._signum: int | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen, in place of Lightning, which puts back at the end what was there before both."""
        self._signum = None
        if threading.current_thread() is not threading.main_thread():  # signals come to that one alone
            return

        def listen(signum: int, frame: Any) -> None:
            if self._signum is not None and signum == signal.SIGINT:
                raise KeyboardInterrupt
            if signum == signal.SIGINT and trainer.is_global_zero:
                print("\nending after this batch; Ctrl-C again: at once", file=sys.stderr)
            if self._signum is None and signum == signal.SIGTERM and trainer.strategy.launcher is not None:
                trainer.strategy.launcher.kill(signum)  # the processes that this one has started; Ctrl-C is told to all
            self._signum = signum

        for each in SIGNALS:
            signal.signal(each, listen)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Whether any process was told to end."""
        if trainer.strategy.reduce_boolean_decision(self._signum is not None, all=False):
            trainer._signal_connector.received_sigterm = True  # all of them now end after this batch

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """The exit status; of other processes than the first 0, else Lightning would kill that one for it."""
        if isinstance(exception, SIGTERMException):
            exception.code = 128 + (self._signum or signal.SIGTERM) if trainer.is_global_zero else 0
