"""What every pair logs and returns, once: averaged by w_ui · w_vj."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from mixgan_lightning.replay.pair import Logged, Pair


def log_once(module: Any, pairs: Sequence[Pair], weights: Tensor) -> list[Metric]:
    """Hand on to Lightning what the pairs have logged since the last time.

    The same name twice in a step is two values, as it is to Lightning. A torchmetrics object is the first pair's: its
    state cannot be averaged; the others' are returned.
    """
    others: list[Metric] = []
    found: dict[tuple[str, int], list[tuple[Logged, Tensor]]] = {}
    for pair, weight in zip(pairs, weights, strict=True):
        counts: dict[str, int] = {}
        for logged in pair.logged:
            counts[logged.name] = counts.get(logged.name, 0) + 1
            found.setdefault((logged.name, counts[logged.name]), []).append((logged, weight))
        pair.logged = []
    for (name, _), entries in found.items():
        values, shares = [entry.value for entry, _ in entries], torch.stack([weight for _, weight in entries])
        if isinstance(values[0], Metric):
            module.log(name, values[0], **{"metric_attribute": name, **entries[0][0].options})
            others += values[1:]
        else:
            module.log(name, mean(values, shares), **entries[0][0].options)
    return others


def mean(values: Sequence[Any], weights: Tensor) -> Any:
    """Σ w_k x_k / Σ w_k of numbers or tensors of one shape; of anything else the first."""
    first = values[0]
    if len(values) == 1 or isinstance(first, bool) or not isinstance(first, int | float | Tensor):
        return first
    if isinstance(first, Tensor) and (
        not first.is_floating_point() or any(not isinstance(v, Tensor) or v.shape != first.shape for v in values)
    ):
        return first
    shares = (weights / weights.sum()).tolist()
    return first + sum(share * (value - first) for share, value in zip(shares, values, strict=True))  # exact for equals


def mean_output(outputs: Sequence[Any], weights: Tensor) -> Any:
    """The same of what pairs returned: tensors, numbers, and dictionaries, tuples and lists of them."""
    first = outputs[0]
    if len(outputs) == 1:
        return first
    if isinstance(first, Mapping):
        return {key: mean_output([output[key] for output in outputs], weights) for key in first}
    if isinstance(first, tuple | list):
        return type(first)(mean_output(list(each), weights) for each in zip(*outputs, strict=True))
    return mean(outputs, weights)
