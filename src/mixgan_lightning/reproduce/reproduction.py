"""What a table and a figure have in common: the experiments they need, and a page that shows what came of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mixgan_lightning.reproduce.conditions import conditions_of
from mixgan_lightning.reproduce.entry import Entry, entries_on
from mixgan_lightning.reproduce.runs import Ran, not_run

NOT_RUN, NOT_MEASURED, NOTHING = "not run", "not measured", "–"  # instead of a number


@dataclass
class Page:
    """A page of Markdown in the making."""

    body: str  # tables and pictures
    files: list[Path]  # written beside it
    notes: list[str] = field(default_factory=list)  # what is missing, and why
    conditions: list[str] = field(default_factory=list)  # how it was measured

    def markdown(self, title: str) -> str:
        """The whole page."""
        below = ["\n".join(f"- {line}" for line in lines) for lines in (self.notes, self.conditions) if lines]
        return "\n\n".join([f"# {title}", self.body, *below]) + "\n"


class Reproduction(ABC):
    """A table or a figure.

    Args:
        title: above it.
        experiments: its rows or lines, each with the arguments of `Entry`.
        data: the dataset of the paper, of which `Entry.paper` speaks; None where there is no paper.
        options: overrides of every run, before those of the command line.
        conditions: lines that say how it is measured, beside what the runs tell.
    """

    def __init__(
        self,
        title: str,
        experiments: Sequence[Mapping[str, Any]],
        data: str | None = None,
        options: Sequence[str] = (),
        conditions: Sequence[str] = (),
    ) -> None:
        self.title, self.data = title, data
        self.options, self.conditions = tuple(options), tuple(conditions)
        self.entries = [Entry(**entry) for entry in experiments]

    def on(self, data: str | None, experiments: Collection[str]) -> Self:
        """The same on a dataset; None: on the paper's.

        Raises:
            ConfigurationError: unless all its experiments are among ``experiments``, naming the datasets there are.
        """
        chosen, name = copy(self), data or self.data
        chosen.entries = entries_on(name, self.entries, self.data, experiments)
        chosen.title = self.title if name is None else f"{self.title}, {name}"
        return chosen

    def write(self, ran: Sequence[Ran], stem: Path, conditions: Sequence[str] = ()) -> Page:
        """Write stem.md, and beside it what the page shows.

        Args:
            ran: the entries with what came of their runs.
            stem: path without a suffix.
            conditions: more lines for the foot of the page.
        """
        stem.parent.mkdir(parents=True, exist_ok=True)
        page = self.page(ran, stem)
        page.notes[:0] = not_run(ran)
        page.conditions[:0] = self.measured(ran)
        page.conditions += conditions
        text = beside(stem, ".md")
        text.write_text(page.markdown(self.title), encoding="utf-8")
        page.files.insert(0, text)
        return page

    def measured(self, ran: Sequence[Ran]) -> list[str]:
        """How it was measured."""
        return [conditions_of(ran), *self.conditions]

    @abstractmethod
    def page(self, ran: Sequence[Ran], stem: Path) -> Page:
        """Write all but the page itself; runs that failed are told of by `write`."""


def beside(stem: Path, ending: str) -> Path:
    """A file of that name and ending (the name may hold points)."""
    return stem.with_name(stem.name + ending)


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """The first row is the head.

    Example:
        >>> print(markdown_table([["", "modes"], ["one GAN", "7.8"]]))
        |  | modes |
        | --- | --- |
        | one GAN | 7.8 |
    """
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))


def embedded(picture: Path, title: str) -> str:
    """A picture beside the page."""
    return f"![{title}](<{picture.name}>)"
