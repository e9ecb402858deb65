"""How every command runs: Hydra composes the config; what a user can mend ends in one readable line."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from mixgan_lightning.cli.explain import CompositionError, explain
from mixgan_lightning.cli.trials import TrialError, fail, in_sweep
from mixgan_lightning.errors import MixGANError

CONFIGS = "pkg://mixgan_lightning.conf"
EXPECTED = (CompositionError, MixGANError, HydraException, OmegaConfBaseException, MisconfigurationException, OSError)


TERMINATED, INTERRUPTED = 128 + signal.SIGTERM, 128 + signal.SIGINT  # the exit status that shells give


class Terminated(BaseException):
    """SIGTERM has ended a training, after its checkpoint; a sweep is not gone on with."""


def run(task: Callable[[DictConfig], Any], config_name: str) -> None:
    """Run a task with the config of that name and the command line's overrides.

    Expected failures print ``mixgan-…: message`` and exit with 1; ``verbose=true`` shows their traceback.
    """
    sys.path.insert(0, os.getcwd())  # the user's own classes, as with `python script.py`
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # what cannot be imported we say ourselves
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let exceptions of composing the config reach us, whole
    running = Running()
    quiet = running.during(_quietly(task, config_name))
    with _readable(config_name), running.composed():
        hydra.main(version_base="1.3", config_path=CONFIGS, config_name=config_name)(quiet)()


class Running:
    """Tells what fails in the task from what Hydra cannot compose."""

    def __init__(self) -> None:
        self.task = False

    def during(self, task: Callable[[DictConfig], Any]) -> Callable[[DictConfig], Any]:
        """The task, known to run while it does; one that has failed stays so."""

        @wraps(task)
        def known(config: DictConfig) -> Any:
            self.task = True
            returned = task(config)
            self.task = False
            return returned

        return known

    @contextmanager
    def composed(self) -> Iterator[None]:
        """Whatever Hydra raises of a command line, of whatever kind, is the user's to mend.

        Raises:
            CompositionError: for what is neither expected already nor the task's.
        """
        try:
            yield
        except EXPECTED:
            raise
        except Exception as error:
            if self.task:
                raise
            raise CompositionError(str(error)) from error


def _quietly(task: Callable[[DictConfig], Any], config_name: str) -> Callable[[DictConfig], Any]:
    """The task, its expected failures said here: Hydra would add a line of its own.

    In a sweep every failure ends its run alone.
    """

    def quiet(config: DictConfig) -> Any:
        if not in_sweep():
            with _readable(config_name):
                return task(config)
        try:
            return task(config)
        except EXPECTED as error:
            return fail(error, reason(error, config_name), traced=bool(config.get("verbose")))
        except (Exception, SystemExit) as error:  # a user's module may end the process
            if _is_interrupt(error):
                raise KeyboardInterrupt from None
            return fail(error, reason(error, config_name), traced=True)

    return quiet


def reason(error: BaseException, config_name: str) -> str:
    """Why, in one line; of what nobody expects its kind as well."""
    line = explain(error, config_name)
    return line if isinstance(error, EXPECTED) else f"{type(error).__name__}: {line}"


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind it: what it interrupts may fail in its own way."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        if isinstance(error, KeyboardInterrupt):
            return True
        seen.append(error)
        error = error.__context__
    return False


@contextmanager
def _readable(config_name: str) -> Iterator[None]:
    try:
        yield
    except TrialError:
        raise SystemExit(1) from None  # it has been said
    except EXPECTED as error:
        if "verbose=true" in [argument.lower() for argument in sys.argv]:
            raise
        rank = getattr(rank_zero_only, "rank", 0)
        process = f" (process {rank})" if rank else ""  # the first says it without a number
        sys.stderr.write(f"mixgan-{config_name}{process}: {explain(error, config_name)}\n")  # whole: others write too
        raise SystemExit(1) from None
    except (Terminated, KeyboardInterrupt) as told:
        if getattr(rank_zero_only, "rank", 0):  # Lightning would kill the first for what the others return
            raise SystemExit(0) from None
        what, status = ("terminated", TERMINATED) if isinstance(told, Terminated) else ("interrupted", INTERRUPTED)
        print(f"mixgan-{config_name}: {what}{told}", file=sys.stderr)
        raise SystemExit(status) from None
