"""mixgan-dashboard: a W&B workspace for what mixgan-train logs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from omegaconf import DictConfig

from mixgan_lightning.cli import command
from mixgan_lightning.dashboard import Section
from mixgan_lightning.dashboard import dashboard as sections_of
from mixgan_lightning.dashboard.workspace import as_json, save, workspace
from mixgan_lightning.errors import ConfigurationError, MissingLibraryError
from mixgan_lightning.log_names import IMAGES_SEEN
from mixgan_lightning.options import check_count


def main() -> None:
    """The command."""
    sys.argv[1:] = hydra_words(sys.argv[1:])
    command.run(dashboard, "dashboard")


def hydra_words(typed: Sequence[str]) -> list[str]:
    """The command line as Hydra takes it, which knows no flags of ours.

    Example:
        >>> hydra_words(["entity=me", "--dry-run"])
        ['entity=me', 'dry_run=true']
    """
    return ["dry_run=true" if word == "--dry-run" else word for word in typed]


def dashboard(config: DictConfig) -> None:
    """Build it; show it, or send it."""
    sections = sections_of(check_count("size", config.size))
    if config.dry_run:
        _show(config, sections)
        return
    if config.entity is None:
        raise ConfigurationError(
            "entity=… is needed: your user or team name at W&B, as in wandb.ai/ENTITY/PROJECT (--dry-run needs none)"
        )
    print(save(workspace(sections, str(config.entity), str(config.project), str(config.name))))


def _show(config: DictConfig, sections: Sequence[Section]) -> None:
    """The specification as text, and as the JSON that would be sent."""
    entity = "ENTITY" if config.entity is None else config.entity
    print(f"{config.name}, a workspace of {entity}/{config.project}; curves over {IMAGES_SEEN}\n")
    print("\n\n".join(map(str, sections)))
    try:
        built = workspace(sections, str(entity), str(config.project), str(config.name))
    except MissingLibraryError as error:
        print(f"\nno JSON: {error}")
    else:
        print(f"\n{as_json(built)}")


if __name__ == "__main__":
    main()
