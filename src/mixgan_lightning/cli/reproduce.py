"""mixgan-reproduce: a table or figure, from its trainings or computations to the page."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from mixgan_lightning.cli import command
from mixgan_lightning.cli.explain import alternatives, explain
from mixgan_lightning.errors import ConfigurationError, MixGANError
from mixgan_lightning.gan_factory import plain
from mixgan_lightning.options import check_seed
from mixgan_lightning.reproduce import Computation, Entry, Reproduction, Run, Runner
from mixgan_lightning.reproduce.runs import Ran, quoted


def main() -> None:
    """The command."""
    sys.argv[1:] = hydra_words(sys.argv[1:])
    command.run(reproduce, "reproduce")


def hydra_words(typed: Sequence[str]) -> list[str]:
    """The command line as Hydra takes it: it knows no bare words, and ``data`` is a group of mixgan-train's.

    Example:
        >>> hydra_words(["table1", "data=digits", "--", "trainer.max_epochs=1"])
        ['reproduction=table1', 'dataset=digits', 'overrides=["trainer.max_epochs=1"]']
    """
    cut = typed.index("--") if "--" in typed else len(typed)
    own, handed_on = typed[:cut], typed[cut + 1 :]
    name = next((word for word in own if "=" not in word and not word.startswith("-")), None)
    words = [f"dataset={word.removeprefix('data=')}" if word.startswith("data=") else word for word in own]
    if name is not None:
        words[words.index(name)] = f"reproduction={name}"
    return [*words, *([f"overrides=[{','.join(map(quoted, handed_on))}]"] if handed_on else [])]


def reproduce(config: DictConfig) -> None:
    """Train what is missing, or compute; collect, write, show."""
    name = HydraConfig.get().runtime.choices.get("reproduction")
    if name is None:
        available = ", ".join(sorted(alternatives("reproduction")))
        raise ConfigurationError(f"expected the name of a table or figure: one of {available}")
    seeds, overrides = _seeds(config.seeds), _overrides(config.overrides)
    runner = Runner(config.jobs, config.threads, config.fresh)
    papers: Reproduction = instantiate(config.reproduction, _convert_="all")
    if isinstance(papers, Computation):
        _check_untrained(name, config)
        torch.set_num_threads(config.threads)
    data = None if config.dataset == papers.data else config.dataset
    reproduction = papers.on(data, alternatives("experiment"))
    stem = f"{name}_{data}" if data else name
    out = Path(config.out or f"reproduced/{stem}")

    def row_of(entry: Entry) -> list[Run]:
        options = (f"threads={config.threads}", *papers.options, *entry.options, *overrides)
        return [Run(entry.experiment, seed, out / entry.name / f"seed_{seed}", options, entry.name) for seed in seeds]

    rows = list(map(row_of, reproduction.entries))
    _check([row[0] for row in rows])
    found = runner.run([run for of_seed in zip(*rows, strict=True) for run in of_seed])  # all entries, seed by seed
    outcomes = {outcome.run: outcome for outcome in found}
    ran = [Ran(entry, [outcomes[run] for run in row]) for entry, row in zip(reproduction.entries, rows, strict=True)]
    page = reproduction.write(ran, out / stem, [f"`{_typed(name, data, seeds, overrides)}`"])
    print(f"\n{page.markdown(reproduction.title)}")
    print(f"written to {', '.join(map(str, page.files))}")
    if page.notes:
        raise MixGANError(f"not complete; {page.files[0]} says why; options of mixgan-train that it names go after --")


def _seeds(given: Any) -> list[int]:
    seeds = plain(given)
    different = isinstance(seeds, list) and len(set(map(str, seeds))) == len(seeds)
    if not different or not seeds:
        raise ConfigurationError(f"seeds: expected a list of different whole numbers, as seeds=[1,2,3], got {seeds!r}")
    return [check_seed(seed) for seed in seeds]


def _overrides(given: Any) -> list[str]:
    overrides = OmegaConf.to_container(given, resolve=False) if OmegaConf.is_list(given) else given
    if not isinstance(overrides, list) or not all(isinstance(word, str) for word in overrides):
        raise ConfigurationError(
            f"overrides: expected options of mixgan-train, best typed after --, as `-- trainer.max_epochs=1`; "
            f"got {overrides!r}"
        )
    return overrides


def _check_untrained(name: str, config: DictConfig) -> None:
    """That no option is given that only trainings have."""
    given = {
        f"data={config.dataset}": config.dataset is not None,
        f"jobs={config.jobs}": config.jobs != 1,
        f"fresh={config.fresh}".lower(): config.fresh,
        "-- and what follows": bool(config.overrides),
    }
    if meaningless := [words for words, said in given.items() if said]:
        raise ConfigurationError(f"{name} is computed, without trainings or data; leave out {', '.join(meaningless)}")


def _check(runs: Sequence[Run]) -> None:
    """That all experiments and options exist, before the first run."""
    for run in runs:
        try:
            run.config()
        except HydraException as error:
            raise ConfigurationError(explain(error, "train", run.words)) from error


def _typed(name: str, data: str | None, seeds: Sequence[int], overrides: Sequence[str]) -> str:
    """The command that does the same again."""
    words = [name, *([f"data={data}"] if data else []), f"seeds={list(seeds)}".replace(" ", "")]
    words += [word for word in HydraConfig.get().overrides.task if word.startswith(("reproduction.", "threads="))]
    words += ["--", *overrides] if overrides else []
    return shlex.join(["mixgan-reproduce", *words])


if __name__ == "__main__":
    main()
