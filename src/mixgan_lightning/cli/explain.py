"""An expected error as one line: what is wrong and, for a misspelt key or group, the nearest valid one."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.errors import ConfigCompositionException, InstantiationException, MissingConfigException
from omegaconf import OmegaConf

from mixgan_lightning.errors import MixGANError


def explain(error: BaseException, config_name: str) -> str:
    """One line for the terminal."""
    causes = list(_causes(error))
    ours = next((cause for cause in causes if isinstance(cause, MixGANError)), None)
    if ours is not None:
        return _one_line(str(ours))
    if isinstance(error, MissingConfigException) and error.options is not None:
        return _missing_config(error)
    unknown = re.match(r"Could not override '(?P<key>[^']+)'", str(error))
    if isinstance(error, ConfigCompositionException) and unknown:
        return _unknown_key(unknown["key"], _valid_keys(config_name))
    if isinstance(error, InstantiationException):
        what = str(error).splitlines()[0].partition(", set env var")[0].rstrip(":")
        return _one_line(f"{what}: {type(causes[-1]).__name__}: {causes[-1]}")
    return _one_line(str(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _missing_config(error: MissingConfigException) -> str:
    group, _, name = str(error.missing_cfg_file).rpartition("/")
    options = ", ".join(error.options or [])
    return f"{group}={name}: there is no such {group}{_nearest(name, error.options or [])} (available: {options})"


def _unknown_key(key: str, valid: list[str]) -> str:
    return f"there is no option {key!r}{_nearest(key, valid)} (--help lists all; to add a new key: +{key}=…)"


def _nearest(name: str, valid: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""


def _valid_keys(config_name: str) -> list[str]:
    """Every dotted key of the command's config, as composed with the groups that were chosen, and the groups."""
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        groups = [group for group in loader.get_group_options("", ObjectType.GROUP) if group != "hydra"]
        chosen = [word for word in sys.argv[1:] if word.partition("=")[0] in groups and "," not in word]
        config = OmegaConf.to_container(compose(config_name, overrides=chosen), resolve=False)
    return [*_dotted(config), *groups]


def _dotted(config: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(config, dict):
        for key, value in config.items():
            yield f"{prefix}{key}"
            yield from _dotted(value, f"{prefix}{key}.")


def _one_line(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())
