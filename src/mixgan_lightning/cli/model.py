"""The mixture that a config describes."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.gan_factory import imported, plain
from mixgan_lightning.module import MixGANModule


def model_of(config: DictConfig) -> MixGANModule:
    """A mixture of the GANs of ``gan=``, of the class that ``mixture=`` names: ours, or a subclass of it.

    Raises:
        ConfigurationError: for a ``_target_`` that leads nowhere, or to something else; for a GAN that takes the data's
            number of classes where they have none.
    """
    _check_labels(config.gan)
    options = plain(config.mixture)
    path = options.pop("_target_")
    kind = imported(path)
    if not (isinstance(kind, type) and issubclass(kind, MixGANModule)):
        raise ConfigurationError(f"mixture._target_={path}: expected a subclass of mixgan_lightning.MixGANModule")
    return kind(config.gan, **options)


def _check_labels(gan: DictConfig) -> None:
    parts = (part for part in (gan, gan.get("generator"), gan.get("discriminator")) if isinstance(part, DictConfig))
    for part in (part for part in parts if "num_classes" in part.keys()):  # noqa: SIM118  # `in part` resolves it
        if OmegaConf.is_interpolation(part, "num_classes") and part.num_classes is None:
            raise ConfigurationError(
                "this GAN is conditional, and the data have no labels (num_classes=null); choose labelled data (of a "
                "folder: data.num_classes=…), or a GAN without labels: dcgan for cdcgan and sgan, sngan for csngan"
            )
