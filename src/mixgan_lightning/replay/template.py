"""What a batch looks like, without its data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten, treespec_dumps, treespec_loads

from mixgan_lightning.errors import CheckpointError, DataError

PLAIN = (
    None,
    *(f"builtins.{name}" for name in ("dict", "list", "tuple")),
    "collections.OrderedDict",
    "collections.deque",
)
MOST_CLASSES = 100_000  # larger whole numbers are indices or hashes


@dataclass
class Leaf:
    """One entry of a batch: a tensor of rows (``shape`` of a row), or another value, of which the type is kept."""

    shape: list[int] | None
    dtype: str | None = None
    labels: bool = False
    value: Any = None

    @classmethod
    def of(cls, entry: Any, n: int) -> Leaf:
        """What is worth knowing of an entry of a batch of n rows."""
        if not isinstance(entry, Tensor) or entry.ndim == 0 or len(entry) != n:
            return cls(None, value=type(entry)() if isinstance(entry, str | int | float | bool) else None)
        dtype = str(entry.dtype).removeprefix("torch.")
        whole = not (entry.is_floating_point() or entry.is_complex() or entry.dtype == torch.bool)
        labels = whole and entry.numel() == n and 0 <= int(entry.min()) <= int(entry.max()) < MOST_CLASSES
        return cls(list(entry.shape[1:]), dtype, labels)

    def made(self, n: int, labels: Tensor, device: torch.device, data: float) -> Any:
        """n rows: the labels, or this value everywhere."""
        if self.shape is None:
            return self.value
        dtype = getattr(torch, str(self.dtype))
        if self.labels:
            return labels.to(device, dtype).reshape(n, *self.shape)
        return torch.full((n, *self.shape), data, device=device).to(dtype)


@dataclass
class Template:
    """What a batch looks like, without its data, and how often each label was seen; plain enough for a checkpoint."""

    structure: TreeSpec
    leaves: list[Leaf]
    sample_shape: list[int]
    label_counts: list[int] = field(default_factory=list)  # of those trained on

    @classmethod
    def of(cls, batch: Any) -> Template:
        """From a batch."""
        leaves, structure = tree_flatten(batch)
        n = rows_of(batch)
        return cls(structure, [Leaf.of(leaf, n) for leaf in leaves], [*images_in(batch).shape[1:]])

    @classmethod
    def loaded(cls, saved: dict[str, Any]) -> Template:
        """From a checkpoint."""
        if not _is_plain(saved["structure"]):
            raise CheckpointError("the checkpoint describes batches of other things than dicts, lists and tuples")
        leaves = [Leaf(**leaf) for leaf in saved["leaves"]]
        return cls(treespec_loads(saved["structure"]), leaves, saved["sample_shape"], saved["label_counts"])

    def saved(self) -> dict[str, Any] | None:
        """For a checkpoint; None for batches of classes that cannot be written down, or not read without importing."""
        try:
            structure = treespec_dumps(self.structure)
        except NotImplementedError:
            return None
        if not _is_plain(structure):
            return None
        leaves = [asdict(leaf) for leaf in self.leaves]
        rest = {"sample_shape": list(self.sample_shape), "label_counts": list(self.label_counts)}
        return {"structure": structure, "leaves": leaves, **rest}

    def count(self, counts: Sequence[int]) -> None:
        """More labels were seen."""
        self.label_counts += [0] * (len(counts) - len(self.label_counts))
        for label, count in enumerate(counts):
            self.label_counts[label] += count

    def batch(self, n: int, labels: Tensor, device: torch.device, data: float = 0.0) -> Any:
        """A batch of n rows with these labels and, in place of data, one value."""
        rows = [leaf.made(n, labels, device, data) for leaf in self.leaves]
        return tree_unflatten(rows, self.structure)

    def labels(self, batch: Any) -> Tensor | None:
        """The labels of a batch: its first small whole number a row, where it has one."""
        entries = tree_flatten(batch)[0]
        found = [entry for leaf, entry in zip(self.leaves, entries, strict=False) if leaf.labels]
        if not found:
            return None
        labels = found[0].flatten().long()
        return labels[(labels >= 0) & (labels < MOST_CLASSES)]

    def agree(self, flags: Sequence[Sequence[bool]]) -> None:
        """Hold for labels what all processes do."""
        for leaf, *of_all in zip(self.leaves, *flags, strict=True):
            leaf.labels = all(of_all)


def _is_plain(structure: str) -> bool:
    """Whether a structure can be read without importing anything: torch's reader imports what enums are said to be."""

    def plain(node: Any) -> bool:
        context = json.loads(node["context"] or "null") if isinstance(node["context"], str | None) else {}
        keys = context if isinstance(context, list) else [context]
        return (
            node["type"] in PLAIN
            and not any(isinstance(key, dict | list) for key in keys)
            and all(map(plain, node["children_spec"]))
        )

    return plain(json.loads(structure)[1])


def images_in(batch: Any) -> Tensor:
    """The images of a batch of any structure: its first tensor of floating-point numbers, or its first tensor.

    Raises:
        DataError: where there is no tensor.
    """
    tensors = [leaf for leaf in tree_flatten(batch)[0] if isinstance(leaf, Tensor)]
    floating = [tensor for tensor in tensors if tensor.is_floating_point()]
    if not tensors:
        raise DataError(f"expected batches that hold a tensor, got {type(batch).__name__} without one")
    return (floating or tensors)[0]


def rows_of(batch: Any) -> int:
    """How many samples a batch holds."""
    return len(images_in(batch))
