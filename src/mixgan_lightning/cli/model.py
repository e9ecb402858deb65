"""The mixture that a config describes."""

from __future__ import annotations

from omegaconf import DictConfig

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.gan_factory import imported, plain
from mixgan_lightning.module import MixGANModule


def model_of(config: DictConfig) -> MixGANModule:
    """A mixture of the GANs of ``gan=``, of the class that ``mixture=`` names: ours, or a subclass of it.

    Raises:
        ConfigurationError: for a ``_target_`` that leads nowhere, or to something else.
    """
    options = plain(config.mixture)
    path = options.pop("_target_")
    kind = imported(path)
    if not (isinstance(kind, type) and issubclass(kind, MixGANModule)):
        raise ConfigurationError(f"mixture._target_={path}: expected a subclass of mixgan_lightning.MixGANModule")
    return kind(config.gan, **options)
