"""Third parties' notes, kept out of the terminal; what goes wrong is still said, and why a faster way is not taken."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

NOISE = (  # what third parties say at every run
    ".*does not have many workers.*",
    ".*no `validation_step`.*",
    ".*treespec, LeafSpec.*",
    ".*number of training batches.*is smaller than the logging interval.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*The dirpath has changed from.*",  # ModelCheckpoint's, of a run that goes on in a new folder
    ".*callbacks used to create the checkpoint need to be provided.*",  # … or with another interval
    "(?s).*Grad strides do not match bucket view strides.*",  # DDP's, of a layer with one output
    ".*Experiment logs directory .* exists and is not empty.*",
)
PACKAGES = ("pytorch_lightning", "lightning.pytorch")  # the second speaks for both where a user's module imports it


def quieten() -> None:
    """For a command; never at import."""
    for name in PACKAGES:
        logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger(f"{name}.profilers").setLevel(logging.INFO)  # what trainer.profiler= was asked for
        notes = logging.getLogger(f"{name}.utilities.rank_zero")
        notes.setLevel(logging.INFO)
        notes.addFilter(_is_ours)  # once, however often it is added
    for message in NOISE:
        warnings.filterwarnings("ignore", message)
    warnings.formatwarning = _formatted


def _formatted(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning of this package without the place in its code."""
    if Path(filename).is_relative_to(Path(__file__).parents[1]):
        return f"mixgan-train: {message}\n"
    return f"{filename}:{lineno}: {category.__name__}: {message}\n"


def _is_ours(record: logging.LogRecord) -> bool:
    """Of its notes only the line of ``evaluation=auto``."""
    return record.levelno >= logging.WARNING or record.getMessage().startswith("evaluation=")
