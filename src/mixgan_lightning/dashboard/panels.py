"""What a dashboard is made of, as plain data: nothing here knows W&B."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

COMPONENT = "{i}"  # in a key: of every component, however many there are


def each(key_of: Callable[[int], str]) -> str:
    """The keys of all components as one.

    Example:
        >>> from mixgan_lightning import log_names
        >>> each(log_names.samples_component)
        'samples/component/{i}'
    """
    return re.sub(r"/0(?=/|$)", f"/{COMPONENT}", key_of(0))


@dataclass(frozen=True)
class Panel:
    """One chart: its title in words, and the log names of what it shows."""

    title: str
    keys: tuple[str, ...]
    kind: ClassVar[str]

    def __str__(self) -> str:
        return f"{self.title} ({self.kind}): {', '.join(self.keys)}"


class Lines(Panel):
    """Curves over `images_seen`, one a key; of a key with ``{i}``, one a component."""

    kind = "lines"


class Band(Panel):
    """The keys of a mean and of its standard deviation: curves of the mean, and one sd below and above it."""

    kind = "band"


class Pictures(Panel):
    """Pictures, with a slider over the training."""

    kind = "pictures"


class Table(Panel):
    """The last table."""

    kind = "table"


@dataclass(frozen=True)
class Comparison(Panel):
    """The last value of the key in each run, against options of the runs."""

    options: tuple[str, ...]  # dotted, as in the run's config

    def __str__(self) -> str:
        return f"{super().__str__()} against {', '.join(self.options)}"


class Bars(Comparison):
    """Mean over all runs with the same value of the option, and their standard deviation."""

    kind = "bars"


class Scatter(Comparison):
    """A point a run."""

    kind = "scatter"


class ParallelCoordinates(Comparison):
    """A line a run through all options to the value."""

    kind = "parallel coordinates"


@dataclass(frozen=True)
class Section:
    """Panels under a heading, shown at once or folded away."""

    title: str
    panels: tuple[Panel, ...]
    is_open: bool = False

    def __str__(self) -> str:
        state = "open" if self.is_open else "collapsed"
        return "\n".join([f"{self.title} ({state})", *(f"  {panel}" for panel in self.panels)])
