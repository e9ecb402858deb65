"""The progress bars of a run: short enough for 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar
from rich.progress import Progress as RichProgress
from rich.progress import TaskID

from mixgan_lightning import log_names
from mixgan_lightning.evaluation.bar import Progress, bar, unseen

SCORING = "scoring"


class ProgressBar(RichProgressBar):
    """Lightning's Rich bar with the payoff's value, or two of an unmodified GAN's own, which fit into 80 columns."""

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """w_uᵀ F w_v, as last logged; without one the first two that the user logged with ``prog_bar=True``."""
        payoff = trainer.callback_metrics.get(log_names.PAYOFF_VALUE)
        if payoff is not None:
            return {"payoff": f"{float(payoff):.3g}"}
        return {name: f"{float(value):.3g}" for name, value in list(trainer.progress_bar_metrics.items())[:2]}


@contextmanager
def scoring_bar(trainer: pl.Trainer, total: int, title: str) -> Iterator[Progress]:
    """A bar of its own while samples are scored: beneath the training's Rich bar, or tqdm's; told how many are done.

    None where the Trainer shows none, and on other processes than the first.
    """
    training: Any = trainer.progress_bar_callback
    if training is None or getattr(training, "is_disabled", False) or not trainer.is_global_zero:
        yield unseen
    elif isinstance(training, RichProgressBar) and training.progress is not None and not training._progress_stopped:
        shown = training.progress
        task = _scoring_task(shown)
        shown.reset(task, total=total, description=title, visible=True)
        try:
            yield lambda done: shown.update(task, completed=done)
        finally:
            shown.update(task, visible=False)
    else:
        with bar(title, total) as progress:
            yield progress


def _scoring_task(shown: RichProgress) -> TaskID:
    """One for all scorings, hidden in between: Rich keeps what it drew of every task, also of those that are gone."""
    found = next((task.id for task in shown.tasks if SCORING in task.fields), None)
    return shown.add_task(SCORING, visible=False, **{SCORING: True}) if found is None else found
