"""A factory of GANs given as a class, a function, an import path or a config; and what a checkpoint keeps of it."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf
from torch import nn

from mixgan_lightning.errors import ConfigurationError, GANError, MixGANError
from mixgan_lightning.gan import GAN
from mixgan_lightning.options import check_memory
from mixgan_lightning.room import held_by, size_of

Spec = str | dict[str, Any]  # what a checkpoint can hold: plain strings and dictionaries
MakeGAN = Callable[[], Any] | Spec | DictConfig

OWN_PACKAGE = __name__.partition(".")[0]
SMALLER = "use a smaller mixture.size or smaller networks"


def resolve(make_gan: MakeGAN) -> Callable[[], Any]:
    """The zero-argument callable that builds one GAN.

    Raises:
        GANError: for a built network or GAN instead of a factory, or something not callable.
        ConfigurationError: for an import path or config that leads nowhere.
    """
    if isinstance(make_gan, str):
        make_gan = imported(make_gan)
    if isinstance(make_gan, nn.Module):
        raise GANError(
            f"expected a factory of GANs, got one built {type(make_gan).__name__}: a mixture needs T independent "
            f"initialisations; pass the class ({type(make_gan).__name__}), or a function that builds a new GAN"
        )
    if isinstance(make_gan, DictConfig):
        make_gan = plain(make_gan)
    if isinstance(make_gan, Mapping):
        config = dict(make_gan)
        if "_target_" not in config:
            raise ConfigurationError(f"the config of a GAN needs a _target_ (an import path); got keys {list(config)}")
        return partial(_instantiate, config)  # not a lambda: spawned processes get it pickled
    _check_takes_nothing(make_gan)
    if not callable(make_gan):
        raise GANError(
            "expected a class or a zero-argument function that builds a GAN, "
            f"got {type(make_gan).__name__}: {make_gan!r}"
        )
    return make_gan


def _check_takes_nothing(make_gan: Any) -> None:
    """A class that needs arguments is no factory yet."""
    try:
        inspect.signature(make_gan).bind()
    except ValueError:  # no signature to be had
        return
    except TypeError as error:
        if callable(make_gan):
            raise GANError(
                f"make_gan is called without arguments, but {getattr(make_gan, '__name__', make_gan)} has a {error}; "
                "pass partial(TheClass, argument=…), or a function that builds one"
            ) from error


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


def build(make_gan: Callable[[], Any], n: int) -> list[nn.Module]:
    """n modules, each with parameters of its own: all GANs, or all of one class of the user's.

    Raises:
        GANError: when the factory returns something else, or the same object twice.
        ConfigurationError: when the others would not fit into memory beside the first.
    """
    built: list[nn.Module] = []
    for _ in range(n):
        gan = make_gan()
        if not isinstance(gan, nn.Module):
            raise GANError(
                f"expected make_gan to build a GAN: a mixgan_lightning.GAN (two networks and an objective), a "
                f"LightningModule, or a module with generator_loss and discriminator_loss; got {type(gan).__name__}"
            )
        if any(gan is other for other in built):
            raise GANError(
                "make_gan returned the same object twice: pass the class, or a function that builds a new GAN"
            )
        built.append(gan)
        if len(built) == 1:  # the others take as much each
            check_memory(f"the parameters of {n} GANs", (n - 1) * size_of(held_by(gan)), SMALLER)
    return built


def released(gans: list[GAN]) -> tuple[list[nn.Module], list[nn.Module]]:
    """The networks of GANs, taken out: generators and discriminators.

    Raises:
        GANError: when networks share parameters or start identical.
    """
    for gan in gans:
        _check_no_alias(gan)
    for player in ("generator", "discriminator"):
        check_independent([getattr(gan, player) for gan in gans], player)
    networks = [gan.release() for gan in gans]
    return [generator for generator, _ in networks], [discriminator for _, discriminator in networks]


def _check_no_alias(gan: GAN) -> None:
    networks = {id(p) for p in (*gan.generator.parameters(), *gan.discriminator.parameters())}
    for name, child in gan._modules.items():  # named_children would leave out a second name of the same network
        if (
            child is not None
            and name not in ("generator", "discriminator")
            and any(id(p) in networks for p in child.parameters())
        ):
            raise GANError(
                f"{type(gan).__name__}.{name} shares parameters with its generator or discriminator: a mixture would "
                f"play one network for all; leave {name} out, and use the network that each method is handed"
            )


def check_independent(networks: list[nn.Module], player: str) -> None:
    """Whether a player's networks, one a call of the factory, have parameters and initialisations of their own.

    Raises:
        GANError: when they do not.
    """
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


def imported(path: str, option: str | None = None) -> Any:
    """What an import path leads to; ``option``: where it stands, to be named.

    Raises:
        ConfigurationError: where it leads nowhere, with the nearest name.
    """
    try:
        return get_object(path)
    except (ImportError, AttributeError, ValueError) as error:
        where = "" if option is None else f"{option}: "
        raise ConfigurationError(f"{where}cannot import {path!r}: {_why_not(path, error)}") from error


def _why_not(path: str, error: Exception) -> str:
    parent, _, name = path.rpartition(".")
    if not _exists(path.partition(".")[0]):
        return "is a module of that name in the working directory or on PYTHONPATH?"
    try:
        names = dir(importlib.import_module(parent))
    except Exception:  # the module's own, which the error tells, or no module
        return str(error)
    near = difflib.get_close_matches(name, names, n=1)
    return f"{parent} has no {name}" + (f"; did you mean {parent}.{near[0]}?" if near else "")


def _instantiate(config: Mapping[Any, Any]) -> Any:
    """What the config describes; our own errors as they are, whatever Hydra has wrapped them in."""
    imported(config["_target_"])  # says what is wrong with it better than Hydra
    try:
        return instantiate(config)
    except InstantiationException as error:
        cause: BaseException = error
        while not isinstance(cause, MixGANError) and cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, MixGANError):
            raise cause from None  # `from error` would close a circle: the error came from the cause
        raise ConfigurationError(f"cannot build the GAN: {failure(error, cause)}") from error


def failure(error: InstantiationException, cause: BaseException) -> str:
    """What Hydra could not build, without its advice, and why."""
    what = str(error).splitlines()[0].partition(", set env var")[0].rstrip(":")
    said = str(cause).partition("\nException raised from")[0]  # torch's frames of C++
    return f"{what}: {type(cause).__name__}: {said}"


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
