"""A run's folder before its training and after a failure."""

from __future__ import annotations

import traceback
from itertools import count
from pathlib import Path

from mixgan_lightning.cache import PART
from mixgan_lightning.callbacks.last_checkpoint import INTERRUPTED, LAST
from mixgan_lightning.checkpoint_file import before
from mixgan_lightning.report.run import FAILURE

TRACEBACK = "traceback.txt"
OF_A_PART = ("metrics.csv", "results.json")  # begun anew also by a run that goes on
OF_A_RUN = ("samples", "payoff")


def last_checkpoint(folder: Path) -> Path:
    """Where `LastCheckpoint` saves."""
    return folder / "checkpoints" / LAST


def newest_checkpoint(folder: Path) -> Path | None:
    """The one that a training has left when it ended, exact or not; None: it has left none."""
    last = last_checkpoint(folder)
    found = [path for path in (last, last.with_name(INTERRUPTED)) if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


def checkpoint_to_go_on_from(asked: str | None, folder: Path) -> str | None:
    """The checkpoint that ``ckpt_path=`` means: ``last`` is the folder's own, if there is one yet.

    So that a job that is started again after it was preempted, with the same command, goes on. A save that was cut off
    may have left the one before it alone.
    """
    if asked != "last":
        return asked
    last = last_checkpoint(folder)
    return next((str(path) for path in (last, before(last)) if path.is_file()), None)


def make_room(folder: Path, goes_on: bool) -> None:
    """Move what an earlier run left there aside, and forget its failure.

    ``goes_on``: from a checkpoint; pictures and payoff matrices are then continued, metrics.csv never: Lightning's
    CSVLogger would delete it.
    """
    names = OF_A_PART if goes_on else OF_A_PART + OF_A_RUN
    n = next(n for n in count() if not any((folder / _aside(name, n)).exists() for name in OF_A_PART + OF_A_RUN))
    for name in names:
        if (folder / name).exists():
            (folder / name).rename(folder / _aside(name, n))
    for path in (folder / FAILURE, folder / TRACEBACK, *last_checkpoint(folder).parent.glob(PART)):
        path.unlink(missing_ok=True)


def _aside(name: str, n: int) -> str:
    path = Path(name)
    return f"{path.stem}.before_{n}{path.suffix}"


def keep_failure(folder: Path, error: BaseException, line: str, *, traced: bool) -> None:
    """Why a run has failed, in one line, and on request where."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAILURE).write_text(f"{line}\n", encoding="utf-8")
    if traced:
        (folder / TRACEBACK).write_text("".join(traceback.format_exception(error)), encoding="utf-8")
