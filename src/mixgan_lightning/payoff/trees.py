"""Trees of tensors: what a discriminator gives, what latents and batches are; mostly a single tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map, tree_map_only


def each(change: Callable[[Tensor], Any], tree: Any) -> Any:
    """The tree with every tensor changed; what is no tensor stays."""
    return change(tree) if isinstance(tree, Tensor) else tree_map_only(Tensor, change, tree)


def part(tree: Any, k: int) -> Any:
    """The k-th of a tree of (n, …); of (1, …), which is the same for all, the only one."""
    return each(lambda leaf: leaf[k if len(leaf) > 1 else 0], tree)


def rows_of(batch: Any, n: int, rows: Any) -> Any:
    """Some of a batch's n samples, by a slice or their indices; what has no row a sample stays."""
    return each(lambda leaf: leaf[rows] if leaf.ndim and len(leaf) == n else leaf, batch)


def first_rows(batch: Any, n: int, few: int) -> Any:
    """The first few of a batch's n samples."""
    return rows_of(batch, n, slice(few))


def stacked(trees: Sequence[Any]) -> Any:
    """Trees of tensors as one tree of (n, …)."""
    return _together(torch.stack, trees)


def chained(trees: Sequence[Any]) -> Any:
    """Trees of tensors (N, …) as one, row after row."""
    return trees[0] if len(trees) == 1 else _together(torch.cat, trees)


def cut(tree: Any, n: int) -> tuple[Any, Any]:
    """A tree of (T, rows, …) after its first n rows: two trees."""
    if isinstance(tree, Tensor):
        return tree.tensor_split((n,), dim=1)  # type: ignore[return-value]
    return each(lambda leaf: leaf[:, :n], tree), each(lambda leaf: leaf[:, n:], tree)


def _together(how: Callable[[Any], Tensor], trees: Sequence[Any]) -> Any:
    if isinstance(trees[0], Tensor):
        return how(trees)
    return tree_map(lambda *leaves: how(leaves) if isinstance(leaves[0], Tensor) else leaves[0], *trees)
