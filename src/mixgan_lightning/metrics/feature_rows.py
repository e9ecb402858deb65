"""Metrics of two sets of features that need every row of both: kept in order, whatever process saw them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat
from torchmetrics.utilities.distributed import gather_all_tensors

from mixgan_lightning.errors import DataError


class FeatureRows(Metric):
    """Keeps the features of samples beside those of a reference; its subclasses compare the two.

    Rows are put in the order of their index before they are compared, so that a result that draws subsets does not
    depend on the number of processes. State: one row per sample.

    Args:
        reference: features of real data, (R, d).
    """

    is_differentiable = False
    full_state_update = True  # in `forward` too, rows are numbered on from those before

    reference: Tensor
    rows: list[Tensor]
    index: list[Tensor]

    def __init__(self, reference: Tensor) -> None:
        super().__init__()
        if reference.ndim != 2 or not len(reference):
            raise DataError(f"expected features of a reference, shape (R, d), got {tuple(reference.shape)}")
        self.register_buffer("reference", reference.detach(), persistent=False)
        self.add_state("rows", [], dist_reduce_fx="cat")
        self.add_state("index", [], dist_reduce_fx="cat")

    @torch.no_grad()
    def update(self, features: Tensor, index: Tensor | None = None) -> None:
        """Add features (N, d); ``index``, (N,): their numbers in the whole set, default: counted as they come."""
        if features.ndim != 2 or features.shape[1] != self.reference.shape[1]:
            raise DataError(
                f"expected features of shape (N, {self.reference.shape[1]}), got {tuple(features.shape)}; "
                "use one network for samples and reference"
            )
        if index is not None and (index.shape != (len(features),) or index.is_floating_point()):
            raise DataError(
                f"expected one integer index per row, shape ({len(features)},), got {index.dtype} of shape "
                f"{tuple(index.shape)}; pass the numbers of the samples, or nothing"
            )
        if index is None:
            index = torch.arange(len(features)) + sum(map(len, self.rows))
        self.rows.append(features.detach().to(self.reference))
        self.index.append(index.to(self.reference.device))

    def ordered(self) -> Tensor:
        """All rows in the order of their index, (N, d), float64."""
        if not sum(map(len, self.rows)):
            raise DataError("expected samples before compute(), got none; call update(features)")
        return dim_zero_cat(self.rows)[dim_zero_cat(self.index).argsort()].double()

    def _sync_dist(self, dist_sync_fn: Callable[..., Any] = gather_all_tensors, process_group: Any = None) -> None:
        """Gather; a process whose share was empty takes part with no rows."""
        if not self.rows:
            self.rows.append(self.reference[:0])
            self.index.append(torch.arange(0, device=self.reference.device))
        super()._sync_dist(dist_sync_fn, process_group)
