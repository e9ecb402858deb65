"""The mixture that a config describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.gan_factory import OWN_PACKAGE, imported, plain, resolve
from mixgan_lightning.module import MixGANModule
from mixgan_lightning.options import check_memory
from mixgan_lightning.sampling import own_stream

SMALLER = "choose smaller networks (gan.generator, gan.discriminator, data.image_size), or a smaller mixture.size"


def model_of(config: DictConfig) -> MixGANModule:
    """A mixture of the GANs of ``gan=``, of the class that ``mixture=`` names: ours, or a subclass of it.

    Raises:
        ConfigurationError: for a ``_target_`` that leads nowhere, or to something else; for a GAN that takes the data's
            number of classes where they have none.
    """
    _check_labels(config.gan)
    options = plain(config.mixture)
    kind = mixture_class(options.pop("_target_"))
    _check_room(config.gan, options)
    return kind(config.gan, **options)


def mixture_class(path: str) -> type[MixGANModule]:
    """The class of a ``mixture=``.

    Raises:
        ConfigurationError: for a path that leads nowhere, or to something else.
    """
    kind = imported(path)
    if not (isinstance(kind, type) and issubclass(kind, MixGANModule)):
        raise ConfigurationError(f"mixture._target_={path}: expected a subclass of mixgan_lightning.MixGANModule")
    return kind


def _check_room(gan: DictConfig, options: Mapping[str, Any]) -> None:
    """Whether all components can be held: one of them is built without data, of which only shapes are known.

    Raises:
        ConfigurationError: where parameters alone are more than the memory that is free.
    """
    if gan._target_.partition(".")[0] != OWN_PACKAGE:  # a user's constructor may count its calls
        return
    try:
        with own_stream(torch.device("cpu"), seed=0), torch.device("meta"):
            one = resolve(gan)()
    except Exception as error:
        if "overflow" in str(error).lower():  # torch's, of a size that it cannot count
            raise ConfigurationError(f"the networks would be larger than any memory; {SMALLER}") from error
        return  # what else is wrong is said when it is built in earnest
    size = max(options.get("size") or 1, options.get("num_discriminators") or 1)
    needed = size * sum(parameter.nbytes for parameter in one.parameters())
    check_memory(f"the parameters of {size:,} such GANs", needed, SMALLER)


def _check_labels(gan: DictConfig) -> None:
    parts = (part for part in (gan, gan.get("generator"), gan.get("discriminator")) if isinstance(part, DictConfig))
    for part in (part for part in parts if "num_classes" in part.keys()):  # noqa: SIM118  # `in part` resolves it
        if OmegaConf.is_interpolation(part, "num_classes") and part.num_classes is None:
            raise ConfigurationError(
                "this GAN is conditional, and the data have no labels (num_classes=null); choose labelled data (of a "
                "folder: data.num_classes=…), or a GAN without labels: dcgan for cdcgan and sgan, sngan for csngan"
            )
