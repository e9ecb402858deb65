"""The measured values that a run returns, for sweeps."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
from omegaconf import ListConfig

from mixgan_lightning import log_names
from mixgan_lightning.callbacks import QualityCallback
from mixgan_lightning.errors import ConfigurationError


def named(objective: Any) -> list[str]:
    """The log names of ``objective=``, one, a list, or null."""
    return list(objective) if isinstance(objective, ListConfig) else [] if objective is None else [objective]


def asked(objective: Any, quality: Sequence[QualityCallback]) -> list[str]:
    """`named`, checked as far as can be told before anything is measured.

    Raises:
        ConfigurationError: where nothing is measured, or where no measure of this package gives such a value.
    """
    names = named(objective)
    if names and not quality:
        raise ConfigurationError(
            f"objective={objective}: nothing measures it; keep callbacks.quality, or set objective=null"
        )
    if any(map(_is_of_others, quality)):  # the names of measures of one's own are known when they have measured
        return names
    for name in names:
        if name not in log_names.TITLES:
            near = difflib.get_close_matches(str(name), log_names.TITLES, n=1)
            others = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(log_names.TITLES)}"
            raise ConfigurationError(f"objective={name}: nothing measures it; {others}")
    return names


def _is_of_others(callback: QualityCallback) -> bool:
    """Whether a measure, or the callback, is not this package's."""
    package = __name__.partition(".")[0]
    parts = (callback, *callback.scoring.measures)
    return any(type(part).__module__.partition(".")[0] != package for part in parts)


def log(trainer: pl.Trainer, names: Sequence[str], measured: Mapping[str, float], images_seen: int) -> None:
    """The first of them as ``objective``, once."""
    found = [measured[name] for name in names if name in measured]
    for logger in trainer.loggers if found else ():
        values = {log_names.OBJECTIVE: found[0], log_names.IMAGES_SEEN: float(images_seen)}
        logger.log_metrics(values, step=trainer.fit_loop.total_batch_idx)  # batches, as all that Lightning logs
        logger.save()


def values(names: Sequence[str], measured: Mapping[str, float]) -> tuple[float, ...]:
    """Their values.

    Raises:
        ConfigurationError: for one that was not measured, or that is no finite number, which would end a search.
    """
    for name in names:
        if name not in measured:
            raise ConfigurationError(f"objective={name}: expected one of the measured values, {', '.join(measured)}")
        if not math.isfinite(measured[name]):
            raise ConfigurationError(f"objective={name}: it is {measured[name]}; the training has diverged")
    return tuple(measured[name] for name in names)
