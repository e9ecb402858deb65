"""A factory of GANs given as a class, a function, an import path or a config; and what a checkpoint keeps of it."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn
from torch.optim import Optimizer

from mixgan_lightning.errors import CheckpointError, ConfigurationError, GANError
from mixgan_lightning.gan import GAN

Spec = str | dict[str, Any]  # what a checkpoint can hold: plain strings and dictionaries
MakeGAN = Callable[[], Any] | Spec | DictConfig

OWN_PACKAGE = __name__.partition(".")[0]


def resolve(make_gan: MakeGAN) -> Callable[[], Any]:
    """The zero-argument callable that builds one GAN.

    Raises:
        GANError: for a built network or GAN instead of a factory, or something not callable.
        ConfigurationError: for an import path or config that leads nowhere.
    """
    if isinstance(make_gan, nn.Module):
        raise GANError(
            f"expected a factory of GANs, got one built {type(make_gan).__name__}: a mixture needs T independent "
            f"initialisations; pass the class ({type(make_gan).__name__}), or a function that builds a new GAN"
        )
    if isinstance(make_gan, str):
        return _import(make_gan)
    if isinstance(make_gan, DictConfig):
        make_gan = plain(make_gan)
    if isinstance(make_gan, Mapping):
        config = dict(make_gan)
        if "_target_" not in config:
            raise ConfigurationError(f"the config of a GAN needs a _target_ (an import path); got keys {list(config)}")
        return lambda: instantiate(config)
    if not callable(make_gan):
        raise GANError(
            "expected a class or a zero-argument function that builds a GAN, "
            f"got {type(make_gan).__name__}: {make_gan!r}"
        )
    return make_gan


def plain(config: Any) -> Any:
    """A config as plain dictionaries and lists, interpolations resolved: what ``weights_only=True`` can load."""
    return OmegaConf.to_container(config, resolve=True) if OmegaConf.is_config(config) else config


def spec_of(make_gan: MakeGAN) -> Spec | None:
    """What a checkpoint keeps: a plain config, an import path, or None for a lambda or a local function."""
    if isinstance(make_gan, str):
        return make_gan
    if isinstance(make_gan, Mapping | DictConfig):
        return plain(make_gan)
    module, name = getattr(make_gan, "__module__", None), getattr(make_gan, "__qualname__", "<local>")
    if module in (None, "__main__") or "<" in name:
        return None
    return f"{module}.{name}"


def check_trusted(spec: Any) -> None:
    """A checkpoint may only name what builds networks: nn.Module classes, optimisers, this package, plain functions.

    Loading a checkpoint calls what it names, so a config such as ``{_target_: os.system}`` must not get through.

    Raises:
        CheckpointError: naming the target and the way out.
    """
    for path in _targets(spec):  # nothing in None
        target = _import(path)
        is_network = isinstance(target, type) and issubclass(target, nn.Module | Optimizer)
        is_ours = getattr(target, "__module__", "").partition(".")[0] == OWN_PACKAGE
        is_zero_argument_function = path == spec and inspect.isfunction(target)
        if not (is_network or is_ours or is_zero_argument_function):
            raise CheckpointError(
                f"the checkpoint asks to call {path}, which is neither a network nor an optimiser; if you trust it, "
                "pass the factory yourself: load_from_checkpoint(path, make_gan=...)"
            )


def build(make_gan: Callable[[], Any], n: int) -> list[GAN]:
    """n GANs, each with parameters and an initialisation of its own.

    Raises:
        GANError: when the factory returns something else, the same object twice, or networks that share parameters or
            start identical.
    """
    gans: list[GAN] = []
    for _ in range(n):
        gan = make_gan()
        if not isinstance(gan, GAN):
            raise GANError(
                f"expected make_gan to build a mixgan_lightning.GAN (two networks and an objective), got "
                f"{type(gan).__name__}; wrap the networks: GAN(generator, discriminator, objective)"
            )
        if any(gan is other for other in gans):
            raise GANError(
                "make_gan returned the same object twice: pass the class, or a function that builds a new GAN"
            )
        gans.append(gan)
    for player in ("generator", "discriminator"):
        _check_independent([getattr(gan, player) for gan in gans], player)
    return gans


def _check_independent(networks: list[nn.Module], player: str) -> None:
    owned = [id(p) for network in networks for p in network.parameters()]
    if len(owned) != len(set(owned)):
        raise GANError(
            f"the {player}s of two calls of make_gan share parameters: build the networks inside the factory, each time"
        )
    first = list(networks[0].parameters())
    for network in networks[1:]:
        pairs = list(zip(first, network.parameters(), strict=False))
        if pairs and all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs):
            raise GANError(
                f"two {player}s start with identical parameters, so the mixture could never differ; "
                "does make_gan set a seed, or load the same weights? Leave that out"
            )


def _targets(spec: Any) -> Iterator[str]:
    if isinstance(spec, str):
        yield spec
    elif isinstance(spec, Mapping):
        for key, value in spec.items():
            if key == "_target_":
                yield value
            elif not isinstance(value, str):
                yield from _targets(value)
    elif isinstance(spec, list | tuple):
        for value in spec:
            if not isinstance(value, str):
                yield from _targets(value)


def _import(path: str) -> Any:
    try:
        return get_object(path)
    except (ImportError, AttributeError, ValueError) as error:
        top = path.partition(".")[0]
        where = (
            "is a module of that name in the working directory or on PYTHONPATH?" if not _exists(top) else str(error)
        )
        raise ConfigurationError(f"cannot import {path!r}: {where}") from error


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
