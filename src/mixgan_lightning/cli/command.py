"""How every command runs: Hydra composes the config; what a user can mend ends in one readable line."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from mixgan_lightning.cli.explain import explain
from mixgan_lightning.cli.trials import TrialError, fail, in_sweep
from mixgan_lightning.errors import MixGANError

CONFIGS = "pkg://mixgan_lightning.conf"
EXPECTED = (MixGANError, HydraException, OmegaConfBaseException, MisconfigurationException, OSError)


def run(task: Callable[[DictConfig], Any], config_name: str) -> None:
    """Run a task with the config of that name and the command line's overrides.

    Expected failures print ``mixgan-…: message`` and exit with 1; ``verbose=true`` shows their traceback.
    """
    sys.path.insert(0, os.getcwd())  # the user's own classes, as with `python script.py`
    logging.getLogger("hydra.utils").setLevel(logging.CRITICAL)  # what cannot be imported we say ourselves
    os.environ["HYDRA_FULL_ERROR"] = "1"  # let exceptions of composing the config reach us, whole
    with _readable(config_name):
        hydra.main(version_base="1.3", config_path=CONFIGS, config_name=config_name)(_quietly(task, config_name))()


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
    except KeyboardInterrupt as interrupt:
        print(f"mixgan-{config_name}: interrupted{interrupt}", file=sys.stderr)
        raise SystemExit(130) from None
