"""How far a pass over samples is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from mixgan_lightning.processes import own_share

Progress = Callable[[int], object]  # told how many samples have been scored so far, over all processes


def unseen(scored: int) -> None:
    """No progress to show."""


@contextmanager
def bar(title: str, total: int, shown: bool = True) -> Iterator[Progress]:
    """A tqdm bar of the first process, in a terminal; gone when done."""
    hidden = None if shown and own_share().rank == 0 else True
    with tqdm(total=total, desc=title, unit=" samples", leave=False, disable=hidden) as shown_bar:
        yield lambda scored: shown_bar.update(scored - shown_bar.n)
