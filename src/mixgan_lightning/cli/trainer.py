"""The Trainer that a config describes, with its callbacks and loggers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.options import check_count

MOST_PROCESSES = 1024  # on one machine: more is a slip, and each would be started
HALF = ("16", "16-mixed")


def trainer_of(config: DictConfig, first: Sequence[pl.Callback]) -> pl.Trainer:
    """The Trainer of ``trainer=``, with these callbacks before those of ``callbacks=``, and the loggers of ``logger=``.

    Raises:
        ConfigurationError: for what is no Trainer, callback or logger, and for what Lightning would silently replace.
    """
    callbacks = [*first, *_built(config, "callbacks", pl.Callback)]
    loggers = _built(config, "logger", Logger)
    _check_processes(config.trainer)
    _check_precision(config.trainer.get("precision"))
    trainer = instantiate(config.trainer, callbacks=callbacks, logger=loggers or False)
    if not isinstance(trainer, pl.Trainer):
        raise ConfigurationError(f"trainer: expected a pytorch_lightning.Trainer, got {type(trainer).__name__}")
    return trainer


def _built(config: DictConfig, group: str, kind: type) -> list[Any]:
    """What is in a group, null left out."""
    found = {name: instantiate(part) for name, part in (config.get(group) or {}).items() if part}
    for name, built in found.items():
        if not isinstance(built, kind):
            raise ConfigurationError(
                f"{group}.{name}: expected a config of a pytorch_lightning {kind.__name__}, got {type(built).__name__}"
            )
    return list(found.values())


def _check_processes(options: DictConfig) -> None:
    for name in ("devices", "num_nodes"):
        if str(options.get(name)).isdigit():  # others Lightning reads: -1, auto, a list
            check_count(f"trainer.{name}", int(options.get(name)), MOST_PROCESSES)


def _check_precision(asked: Any) -> None:
    """Before Lightning takes bf16 for it where there is no fp16."""
    if str(asked) in HALF:
        raise ConfigurationError(
            f"trainer.precision={asked}: expected 32-true or bf16-mixed; a loss scaler cannot serve two players"
        )
