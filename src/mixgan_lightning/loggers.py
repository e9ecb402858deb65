"""The W&B logger of a run, offline unless asked otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import wandb
from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only, rank_zero_warn

from mixgan_lightning import log_names

PATIENCE = 10  # seconds to wait for W&B


def wandb_logger(
    save_dir: str | Path, mode: str = "offline", project: str = "mixgan_lightning", run_id: str | None = None
) -> WandbLogger:
    """A Lightning logger over a W&B run of its own, with ``images_seen`` as the x axis.

    The run is begun here rather than by Lightning, whose ``offline=True`` overwrites $WANDB_MODE. Its summary holds the
    best of each measured value beside the last.

    Args:
        save_dir: the folder for the run's files.
        mode: "offline" or "online"; $WANDB_MODE, where it is set, has the last word. Where W&B is not reached within
            ten seconds, or nobody is logged in, the run is kept offline, with a warning.
        project: W&B project.
        run_id: of a run to go on with; None: a new one.
    """
    asked = os.environ.get("WANDB_MODE", mode)
    begin: Any = partial(
        wandb.init,
        dir=str(save_dir),
        project=project,
        id=run_id,
        resume=None if run_id is None else "allow",
        settings=wandb.Settings(quiet=True, console="off", init_timeout=PATIENCE),
        reinit="finish_previous",
    )
    try:
        run = begin(mode=asked if getattr(rank_zero_only, "rank", 0) == 0 else "disabled")  # one process of a DDP run
    except wandb.Error as error:
        if asked != "online":
            raise
        why = str(error).strip().partition("\n")[0]
        rank_zero_warn(f"W&B is not reached ({why}); the run is kept offline, `wandb sync` sends it later")
        run = begin(mode="offline")
    run.define_metric(log_names.IMAGES_SEEN)
    run.define_metric("*", step_metric=log_names.IMAGES_SEEN)
    for name, best in log_names.BEST.items():  # "last" as well: else the plain key is gone from the summary
        run.define_metric(name, step_metric=log_names.IMAGES_SEEN, summary=f"{best},last")
    return WandbLogger(experiment=run)


def record(loggers: list[Logger], facts: Mapping[str, Any]) -> None:
    """Facts of a run into the config of its W&B run, beside the model's own options."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.config.update(dict(facts), allow_val_change=True)


class WandbRun(pl.Callback):
    """Remembers in checkpoints which W&B run a training is, so that it goes on as the same one."""

    def __init__(self) -> None:
        self.id: str | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Look for it."""
        found = [logger.experiment.id for logger in trainer.loggers if isinstance(logger, WandbLogger)]
        self.id = next((each for each in found if isinstance(each, str)), self.id)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"id": self.id}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """A training that goes on without W&B for a while keeps it."""
        self.id = self.id or state_dict["id"]

    @classmethod
    def of(cls, checkpoint: Mapping[str, Any]) -> str | None:
        """The id that a checkpoint remembers, if any."""
        found = checkpoint.get("callbacks", {}).get(cls.__qualname__, {}).get("id")
        return found if isinstance(found, str) else None
