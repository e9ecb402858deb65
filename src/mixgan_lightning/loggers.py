"""The W&B logger of a run, offline unless asked otherwise."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import wandb
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from mixgan_lightning import log_names


def wandb_logger(save_dir: str | Path, mode: str = "offline", project: str = "mixgan_lightning") -> WandbLogger:
    """A Lightning logger over a W&B run of its own, with ``images_seen`` as the x axis.

    The run is begun here rather than by Lightning, whose ``offline=True`` overwrites $WANDB_MODE.

    Args:
        save_dir: the folder for the run's files.
        mode: "offline" or "online"; $WANDB_MODE, where it is set, has the last word.
        project: W&B project.
    """
    asked: Any = os.environ.get("WANDB_MODE", mode)
    run = wandb.init(
        dir=str(save_dir),
        mode=asked if getattr(rank_zero_only, "rank", 0) == 0 else "disabled",  # one process of a DDP run
        project=project,
        settings=wandb.Settings(quiet=True, console="off"),
        reinit="finish_previous",
    )
    run.define_metric(log_names.IMAGES_SEEN)
    run.define_metric("*", step_metric=log_names.IMAGES_SEEN)
    return WandbLogger(experiment=run)
