"""What a sweep has left: its runs, grouped over seeds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from mixgan_lightning.errors import DataError
from mixgan_lightning.report.reading import at, read_yaml
from mixgan_lightning.report.run import CONFIG, RunFiles, is_run, read_run
from mixgan_lightning.report.summary import Failure, Row, Summary

MULTIRUN = "multirun.yaml"


def is_sweep(folder: Path) -> bool:
    """Whether runs lie in it, and not beside what a run leaves."""
    return (folder / MULTIRUN).is_file() or (not is_run(folder) and any(map(is_run, _folders(folder))))


def summarise(path: Path) -> Summary:
    """Read a sweep's folder.

    Raises:
        DataError: when there is no run in it.
    """
    runs = [read_run(folder) for folder in _run_folders(path)]
    if not runs:
        raise DataError(f"{path}: expected a sweep's runs, each in a folder of its own; there is none yet")
    options = [_options(run) for run in runs]
    differing = [
        key
        for key in dict.fromkeys(key for of in options for key in of)
        if len({of.get(key) for of in options}) > 1 and key != "seed"
    ]
    groups: dict[tuple[str, ...], list[RunFiles]] = {}
    for run, of in zip(runs, options, strict=True):
        groups.setdefault(tuple(of.get(key, "–") for key in differing), []).append(run)
    return Summary(
        folder=path,
        asked=_asked(path / MULTIRUN),
        rows=tuple(Row(dict(zip(differing, of, strict=True)), tuple(found)) for of, found in groups.items()),
        failures=tuple(
            Failure(run.folder.relative_to(path).as_posix(), run.reason) for run in runs if run.reason is not None
        ),
        objective=next((run.objective for run in runs if run.objective), None),
    )


def _run_folders(path: Path) -> list[Path]:
    """Deeper ones as well, but not inside a run: hydra.sweep.subdir may name several levels."""
    configured = [file.parents[1] for file in path.glob(f"**/{CONFIG.as_posix()}")]
    found = {folder for folder in (*configured, *_folders(path)) if folder != path and is_run(folder)}
    return sorted((one for one in found if not found & set(one.parents)), key=lambda one: _in_order(one, path))


def _folders(path: Path) -> Iterable[Path]:
    return (folder for folder in path.iterdir() if folder.is_dir())


def _in_order(folder: Path, of: Path) -> list[tuple[int, str]]:
    """2 before 10."""
    parts = re.split(r"(\d+)", folder.relative_to(of).as_posix())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _options(run: RunFiles) -> dict[str, str]:
    """What the user typed, by option."""
    pairs = [override.lstrip("+~").partition("=") for override in run.overrides]
    return {key: value.strip("'\"") for key, _, value in pairs}


def _asked(path: Path) -> tuple[str, ...]:
    return tuple(map(str, at(read_yaml(path), "hydra", "overrides", "task") or ()))
