"""Whether the options of a config are what the classes that it names say they take."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from reprlib import Repr
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from mixgan_lightning.cli.annotations import Parameters, fits, said
from mixgan_lightning.cli.model import mixture_class
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.gan_factory import imported
from mixgan_lightning.options import check_seed

BUILT = ("data", "gan", "mixture", "trainer")  # each of one class
OPTIONAL = ("data",)
NAMED = ("callbacks", "logger")  # any number of them
ANNOTATED = ("mixgan_lightning", "torch", "pytorch_lightning")  # a user's own annotations may be loose
OF_THE_COMMAND: dict[str, Any] = {
    "ckpt_path": str | None,
    "verbose": bool,
    "objective": str | list[str] | None,
    "run_dir": str,
}
OF_HYDRA: dict[str, Any] = {
    "_target_": str,
    "_partial_": bool,
    "_recursive_": bool,
    "_convert_": Literal["none", "partial", "object", "all"],
    "_args_": list[Any],
}
BRIEF = Repr()
BRIEF.maxstring = BRIEF.maxother = 60  # of what is said


def check_options(config: DictConfig) -> None:
    """Before anything is built: each option of each part, by the annotations of the class that takes it.

    Raises:
        ConfigurationError: naming the option, what was expected and what came.
    """
    check_seed(config.get("seed"))  # first: others take it over
    for name, hint in OF_THE_COMMAND.items():
        if name in config:
            _check(Option.of(config, name), hint)
    for name in BUILT:
        _check_is_built(Option.of(config, name), optional=name in OPTIONAL)
    for name in NAMED:
        option = Option.of(config, name)
        if not isinstance(option.value or {}, dict):
            raise ConfigurationError(f"{name}: expected a dictionary of configs, or null, got {option.brief}")
        for entry in option.entries():
            _check_is_built(entry, optional=True)


@dataclass(frozen=True)
class Option:
    """A value in a config, its dotted name, and what is written there: perhaps ${another}."""

    name: str
    written: Any
    value: Any

    @classmethod
    def of(cls, config: DictConfig, name: str) -> Option:
        """The option of that name at the top; null where there is none."""
        node = config.get(name)
        if not OmegaConf.is_config(node):
            written = OmegaConf.to_container(config, resolve=False)
            return cls(name, written.get(name) if isinstance(written, dict) else None, node)
        return cls(name, OmegaConf.to_container(node, resolve=False), OmegaConf.to_container(node, resolve=True))

    @property
    def asked(self) -> str:
        """The name that it was given under: another option's, if it is that one's value."""
        other = re.fullmatch(r"\$\{([\w.]+)\}", self.written) if isinstance(self.written, str) else None
        return other[1] if other else self.name

    @property
    def brief(self) -> str:
        """The value, cut short."""
        return BRIEF.repr(self.value)

    def entries(self) -> list[Option]:
        """What is in it, if it is a dictionary or a list."""
        keys = list(self.value) if isinstance(self.value, dict) else []
        if isinstance(self.value, list):
            keys = list(range(len(self.value)))
        inside = self.written if isinstance(self.written, dict | list) else self.value  # all of it is another option's
        return [Option(f"{self.name}.{key}", inside[key], self.value[key]) for key in keys]


def _check(option: Option, hint: Any) -> None:
    if not fits(option.value, hint):
        raise ConfigurationError(f"{option.asked}: expected {said(hint)}, got {option.brief}")


def _check_is_built(option: Option, *, optional: bool) -> None:
    if optional and option.value in (None, {}):
        return
    if not isinstance(option.value, dict) or "_target_" not in option.value:
        group = option.name.partition(".")[0]
        null = ", or null" if optional else ""
        raise ConfigurationError(
            f"{option.name}: expected a config with a _target_{null}, got {option.brief}; {group}=NAME chooses one "
            "(--help lists them)"
        )
    _check_inside(option)


def _check_inside(option: Option) -> None:
    """The options of what is built, wherever in it."""
    known = _of_target(option) if isinstance(option.value, dict) and "_target_" in option.value else {}
    for entry in option.entries():
        key = entry.name.rpartition(".")[2]
        if key in known:
            _check(entry, known[key])
        _check_inside(entry)


def _of_target(option: Option) -> dict[str, Any]:
    """What may be said to what ``_target_`` names: the annotation of each option.

    Raises:
        ConfigurationError: where it leads nowhere, or takes no such option.
    """
    for entry in option.entries():
        if (key := entry.name.rpartition(".")[2]) in OF_HYDRA:
            _check(entry, OF_HYDRA[key])
    path = option.value["_target_"]
    if option.name == "mixture":
        mixture_class(path)  # before its options: they are those of such a class
    target = imported(path, f"{option.name}._target_")
    if not callable(target):
        raise ConfigurationError(
            f"{option.name}._target_={path}: expected a class or a function, got {BRIEF.repr(target)}"
        )
    hints, takes_others = Parameters.of(target)
    for key in option.value:
        if not takes_others and key not in hints and key not in OF_HYDRA:
            near = difflib.get_close_matches(key, hints, n=1)
            raise ConfigurationError(
                f"{option.name}.{key}: {path} takes no such option" + (f"; did you mean {near[0]!r}?" if near else "")
            )
    return hints if str(getattr(target, "__module__", "")).partition(".")[0] in ANNOTATED else {}
