"""The runs of a sweep: one that fails ends alone."""

from __future__ import annotations

import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from mixgan_lightning.cli.run_folder import TRACEBACK, keep_failure


class TrialError(Exception):
    """A run of a sweep has failed, and has said why; the others go on."""


def in_sweep() -> bool:
    """Whether this run is one of a sweep."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def fail(error: BaseException, line: str, *, traced: bool) -> None:
    """Say in one line why this run of a sweep has failed, and keep it in its folder, on request with the traceback.

    Raises:
        TrialError: always; Hydra goes on with the next run.
    """
    config = HydraConfig.get()
    folder = Path(config.runtime.output_dir)
    keep_failure(folder, error, line, traced=traced)
    if traced:
        line = f"{line} (traceback: {folder / TRACEBACK})"
    sys.stderr.write(f"mixgan-train: run {config.job.num} of the sweep ({config.job.override_dirname}): {line}\n")
    raise TrialError(line)
