"""Metrics that keep one number a class, of however many classes the first batch turns out to have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torchmetrics import Metric
from torchmetrics.utilities.distributed import gather_all_tensors

from mixgan_lightning.errors import DataError


class PerClassMetric(Metric):
    """A metric with a state (…, classes), summed over processes, that has no class before the first batch.

    A subclass names that state in `per_class` and calls `_widen(classes)` at each update.
    """

    full_state_update = True  # the shape of the state is not known before the first batch
    per_class: str

    def _widen(self, classes: int) -> None:
        state = getattr(self, self.per_class)
        known = state.shape[-1]
        if known == 0:
            setattr(self, self.per_class, state.new_zeros(*state.shape[:-1], classes))
        elif known != classes:
            raise DataError(
                f"expected features of {known} classes as before, got {classes}; use one metric per network"
            )

    def _sync_dist(self, dist_sync_fn: Callable[..., Any] = gather_all_tensors, process_group: Any = None) -> None:
        """Sum over processes; one whose shard was empty first learns from the others how many classes there are."""
        own = torch.tensor(getattr(self, self.per_class).shape[-1], device=self.device)
        known = torch.stack(dist_sync_fn(own, group=process_group or self.process_group))
        if len(known[known > 0].unique()) > 1:  # here, where all processes hear of it
            raise DataError(
                f"expected features of as many classes on all processes, got {known.tolist()}; use one network"
            )
        self._widen(int(known.max()))
        super()._sync_dist(dist_sync_fn, process_group)
