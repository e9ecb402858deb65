"""An expected error as one line: what is wrong and, for a misspelt key or group, the nearest valid one."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from mixgan_lightning.errors import MixGANError
from mixgan_lightning.gan_factory import failure

CONFIG_GROUP = "Config group override must be"  # Hydra's words for gan=null, gan=3
PLUGINS = ("optuna", "joblib", "submitit")  # of the extra `sweep`


class CompositionError(Exception):
    """Hydra cannot compose a command line, and raised no error of its own kind."""


def explain(error: BaseException, config_name: str, words: Sequence[str] | None = None) -> str:
    """One line for the terminal; ``words``: what was composed, where that is not this command's line."""
    words = sys.argv[1:] if words is None else words
    causes = list(_causes(error))
    ours = next((cause for cause in causes if isinstance(cause, MixGANError)), None)
    if ours is not None:
        return _one_line(str(ours))
    if isinstance(error, MissingConfigException) and error.options is not None:
        return _missing_config(error, words)
    unknown = re.match(r"Could not override '(?P<key>[^']+)'", str(error))
    if isinstance(error, ConfigCompositionException) and unknown:
        return _unknown_key(unknown["key"], config_name, words)
    if isinstance(error, ConfigCompositionException) and error.__cause__ is not None:
        return f"{_one_line(str(error))}: {_one_line(str(causes[-1]))}"
    if isinstance(error, OverrideParseException):
        return _unreadable(error.override)
    if isinstance(error, CompositionError):
        return _uncomposed(error, words)
    if isinstance(error, MissingMandatoryValue):
        return f"{error.full_key}=… is needed (--help shows an example)"
    if isinstance(error, InstantiationException):
        return _one_line(failure(error, causes[-1]))
    return _one_line(str(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []  # a chain may close to a circle
    while error is not None and error not in seen:
        yield error
        seen.append(error)
        error = error.__cause__


def _missing_config(error: MissingConfigException, words: Sequence[str]) -> str:
    missing = str(error.missing_cfg_file)
    folder = missing.rpartition("/")[0]
    group, name = _asked(missing, words)
    options = list(error.options or [])
    if not group.startswith("hydra/"):  # experiment=ring/mix5: the group is experiment, whose folders nest
        nested = folder != group  # Hydra's options are then another folder's
        options = sorted({*alternatives(group), *([] if nested else options)}) or options
    available = ", ".join(_at_hand(options, name))
    if name.partition("_")[0] in PLUGINS and group in ("hydra/sweeper", "hydra/launcher"):
        return f"{group}={name} needs a plugin of Hydra's: pip install '.[sweep]' brings it (available: {available})"
    return f"{group}={name}: there is no such {group}{_nearest(name, options)} (available: {available})"


def _at_hand(options: Sequence[str], name: str) -> list[str]:
    """The alternatives in the folder that was asked for, or beside what was; folders among them as ``ring/…``."""
    folders = (f"{name}/", name[: name.rfind("/") + 1], "")
    folder = next((folder for folder in folders if any(option.startswith(folder) for option in options)), "")
    inside = [option for option in options if option.startswith(folder)]
    return sorted({re.sub(rf"^({re.escape(folder)}[^/]*/).*", r"\1…", option) for option in inside})


def _asked(missing: str, words: Sequence[str]) -> tuple[str, str]:
    """Group and name of a missing config, as on the command line: callbacks/quality=modes, experiment=ring/mix5."""
    split = [word.lstrip("+").partition("=") for word in words]
    found = [(group, name) for group, _, name in split if f"{group}/{name}" == missing]
    if found:
        return found[0]
    first, _, rest = missing.partition("/")
    folder, _, name = missing.rpartition("/")
    return (folder, name) if first == "hydra" else (first, rest)


def alternatives(group: str) -> list[str]:
    """Every alternative of one of our groups, those in nested folders included."""
    root = Path(str(files("mixgan_lightning.conf"))) / group
    return [path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml")]


def _uncomposed(error: CompositionError, words: Sequence[str]) -> str:
    """A group that was given no name; or Hydra's own words."""
    unnamed = map(_unnamed, words if CONFIG_GROUP in str(error) else ())
    return next(filter(None, unnamed), f"cannot compose the config: {_one_line(str(error))}")


def _unnamed(word: str) -> str | None:
    """What is said of a group that is given something else than a name: gan=null."""
    group, given, _ = word.lstrip("+").partition("=")
    options = alternatives(group) if given else []
    if not options or isinstance(OverridesParser.create().parse_override(word).value(), str | list):
        return None
    return f"{word}: expected the name of one of {group} (available: {', '.join(_at_hand(options, ''))})"


def _unreadable(word: str) -> str:
    key, given, value = word.partition("=")
    if not given:
        return f"cannot read {word!r}: expected key=value"
    return f"cannot read {word!r}; a value with spaces, commas, = or accents is quoted twice: '{key}=\"{value}\"'"


def _unknown_key(key: str, config_name: str, words: Sequence[str]) -> str:
    if said := next(filter(None, (_unnamed(word) for word in words if word.startswith(f"{key}="))), None):
        return said
    of_training = config_name == "reproduce" and "." in key and not key.startswith("reproduction.")
    way = f"options of mixgan-train go after --: -- {key}=…" if of_training else f"to add a new key: +{key}=…"
    return f"there is no option {key!r}{_nearest(key, _valid_keys(config_name, words))} (--help lists all; {way})"


def _nearest(name: str, valid: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""


def _valid_keys(config_name: str, words: Sequence[str]) -> list[str]:
    """Every dotted key of the command's config, as composed with the groups that were chosen, and the groups."""
    try:
        return _composed_keys(config_name, words)
    except HydraException:  # the rest of the command line is wrong as well: no suggestion rather than a second error
        return []


def _composed_keys(config_name: str, words: Sequence[str]) -> list[str]:
    GlobalHydra.instance().clear()  # an error of a running task ends it
    with initialize_config_module("mixgan_lightning.conf", version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        groups = [group for group in loader.get_group_options("", ObjectType.GROUP) if group != "hydra"]
        chosen = [word for word in words if word.partition("=")[0] in [*groups, "hydra.searchpath"]]
        chosen = [word for word in chosen if "," not in word]  # of a sweep
        config = OmegaConf.to_container(compose(config_name, overrides=chosen), resolve=False)
    return [*_dotted(config), *groups]


def _dotted(config: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(config, dict):
        for key, value in config.items():
            yield f"{prefix}{key}"
            yield from _dotted(value, f"{prefix}{key}.")


def _one_line(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip() and "object_type=" not in line)
