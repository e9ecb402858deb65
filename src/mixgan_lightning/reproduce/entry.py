"""One row of a table, or one line of a figure: an experiment, and what it is called there."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from mixgan_lightning.errors import ConfigurationError


@dataclass(frozen=True)
class Entry:
    """An experiment, and what it is called.

    ``paper``: the number that the paper gives for it, as printed there. ``options``: overrides that make it another
    one, so that a table compares values of an option without a file for each.
    """

    experiment: str  # of conf/experiment/
    label: str
    paper: str | None = None
    options: Sequence[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))  # whatever kind of list a config gives

    @property
    def name(self) -> str:
        """The experiment with its options; also the folder of its runs.

        Example:
            >>> Entry("ring/mix5", "MIX+", options=["mixture.size=7", "gan.betas=[0, 0.9]"]).name
            'ring/mix5,mixture.size=7,gan.betas=_0_0.9'
        """
        return ",".join([self.experiment, *(re.sub(r"[^\w.=+-]+", "_", word).strip("_") for word in self.options)])

    def on(self, data: str) -> Entry:
        """The same on other data: ``paper/NAME`` becomes ``paper/DATA/NAME``.

        Example:
            >>> Entry("paper/table1_dcgan", "DCGAN").on("digits").experiment
            'paper/digits/table1_dcgan'
        """
        folder, _, name = self.experiment.rpartition("/")
        return replace(self, experiment=f"{folder}/{data}/{name}")


def entries_on(
    data: str | None, entries: Sequence[Entry], papers_data: str | None, experiments: Collection[str]
) -> list[Entry]:
    """The entries on some dataset.

    Args:
        data: its name; None: the entries as they are.
        entries: on the paper's dataset.
        papers_data: the paper's dataset; None where the entries are of no paper.
        experiments: the names of all that exist.

    Raises:
        ConfigurationError: naming the datasets for which all the entries' experiments exist.
    """
    if data is None:
        return list(entries)
    if papers_data is None:
        raise ConfigurationError(f"data={data}: these experiments name their data themselves; leave it out")
    folders = {entry.experiment.rpartition("/")[0] for entry in entries}
    nested = {name.rpartition("/")[0].rpartition("/") for name in experiments}
    found = {papers_data: list(entries)}
    found |= {other: [entry.on(other) for entry in entries] for folder, _, other in nested if folder in folders}
    complete = {name: of for name, of in found.items() if all(entry.experiment in experiments for entry in of)}
    if data not in complete:
        available = ", ".join(sorted(complete)) or "none yet"
        raise ConfigurationError(f"data={data}: there are no such experiments on these data (available: {available})")
    return complete[data]
