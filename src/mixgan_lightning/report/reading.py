"""Small files of a folder; one that is missing or cut off in the middle is empty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError


def read_text(path: Path) -> str:
    """UTF-8; what is not is shown as �."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def read_json(path: Path) -> dict[str, Any]:
    """An object."""
    try:
        found = json.loads(read_text(path) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def read_yaml(path: Path) -> Any:
    """A mapping or a list, interpolations as they stand."""
    try:
        return OmegaConf.to_container(OmegaConf.create(read_text(path)), resolve=False)
    except (OmegaConfBaseException, YAMLError):
        return {}


def at(found: Any, *keys: str) -> Any:
    """found[key][key]…; None where there is no such thing."""
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found
