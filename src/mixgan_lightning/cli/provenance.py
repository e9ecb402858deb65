"""Where a run comes from: what was typed, of which code and packages."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from mixgan_lightning.mixture import Mixture
from mixgan_lightning.module import MixGANModule

PACKAGES = ("mixgan-lightning", "torch", "pytorch-lightning", "torchmetrics", "torch-fidelity", "hydra-core", "wandb")


@dataclass(frozen=True)
class Provenance:
    """What would be needed to run it again."""

    command: str  # without where it writes
    seed: int
    commit: str | None  # of the working directory's git repository; with "+" where files differ from it
    versions: Mapping[str, str]
    parameters: Mapping[str, int]  # of each player's networks
    began: str  # ISO 8601, UTC

    @classmethod
    def of(cls, model: MixGANModule, seed: int) -> Provenance:
        """Of the run that begins now."""
        return cls(
            command=shlex.join(["mixgan-train", *_options()]),
            seed=seed,
            commit=_commit(),
            versions={"python": sys.version.split()[0], **{name: version(name) for name in PACKAGES}},
            parameters={"generators": _count(model.generators), "discriminators": _count(model.discriminators)},
            began=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def save(self, path: Path) -> None:
        """Write provenance.json."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _options() -> list[str]:
    """Of this run alone, where it is one of a sweep, by whatever process it is run."""
    if not HydraConfig.initialized():
        return sys.argv[1:]
    words: Any = OmegaConf.to_container(HydraConfig.get().overrides.task, resolve=False)  # ${oc.env:…} stays so
    return [word for word in map(str, words) if not word.startswith(("sweep=", "task="))]


def _count(player: Mixture) -> int:
    return sum(parameter.numel() for parameter in player.components.parameters())


def _commit() -> str | None:
    """None where there is no repository, or no git."""
    try:
        found = _git("rev-parse", "HEAD")
        return found + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True, timeout=10).stdout.strip()
