"""To the loggers now, whatever log_every_n_steps, beside ``images_seen``: values, pictures and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytorch_lightning as pl
import wandb
from pytorch_lightning.loggers import WandbLogger

from mixgan_lightning import log_names
from mixgan_lightning.mixture_module import MixtureModule
from mixgan_lightning.pictures import Picture


class Shown(NamedTuple):
    """A picture, and what is written beneath it."""

    picture: Picture
    caption: str


class Table(NamedTuple):
    """Rows under named columns."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def log_values(trainer: pl.Trainer, module: MixtureModule, values: Mapping[str, float]) -> None:
    """Log values under their log names."""
    seen = {log_names.IMAGES_SEEN: float(module.played.images_seen), "epoch": trainer.current_epoch}
    for logger in trainer.loggers:
        logger.log_metrics({**values, **seen}, step=trainer.fit_loop.total_batch_idx)


def log_media(
    trainer: pl.Trainer,
    module: MixtureModule,
    pictures: Mapping[str, Shown],
    tables: Mapping[str, Table] | None = None,
) -> None:
    """Log pictures and tables under their log names; W&B puts them on the axis of ``images_seen``."""
    step = trainer.fit_loop.total_batch_idx
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            images = {key: wandb.Image(shown.picture, caption=shown.caption) for key, shown in pictures.items()}
            rows = {
                key: wandb.Table(list(table.columns), [list(row) for row in table.rows])
                for key, table in (tables or {}).items()
            }
            seen: dict[str, Any] = {log_names.IMAGES_SEEN: float(module.played.images_seen)}
            logger.log_metrics(seen | images | rows, step=step)  # one row: the axis stands beside the picture
        elif hasattr(logger, "log_image"):
            for key, shown in pictures.items():
                logger.log_image(key=key, images=[shown.picture], caption=[shown.caption])
