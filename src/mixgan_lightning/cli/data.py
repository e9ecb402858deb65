"""The datamodule that a config describes."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate

from mixgan_lightning.data.files import FilesDataModule
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.gan_factory import imported


def datamodule_of(config: Any) -> pl.LightningDataModule | None:
    """The datamodule; None for ``data=none``.

    Raises:
        ConfigurationError: for a ``_target_`` that leads nowhere, or to something else.
        DataError: for files of ours that are missing.
    """
    if config is None:
        return None
    imported(config._target_)
    found = instantiate(config)
    if not isinstance(found, pl.LightningDataModule):
        kind = type(found)
        raise ConfigurationError(
            f"data._target_={config._target_}: expected a pytorch_lightning.LightningDataModule, got {kind.__name__}"
            + (" of the package `lightning`" if kind.__mro__[-2].__module__.startswith("lightning") else "")
            + "; derive it from pytorch_lightning's (a GAN with a train_dataloader of its own: data=none)"
        )
    if isinstance(found, FilesDataModule):
        found.prepare_data()  # what is missing is said first, before networks and what measures them
    return found
