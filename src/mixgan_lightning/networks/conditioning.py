"""Labels as network inputs: what the conditional networks of this room share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding

from mixgan_lightning.errors import DataError


def one_hot(labels: Tensor | None, num_classes: int | None, like: Tensor) -> Tensor:
    """One row per label: 1 in the label's column, 0 elsewhere; no columns for an unconditional network.

    Args:
        labels: class of each sample, integers in [0, num_classes), shape (N,); None for an unconditional network.
        num_classes: number of columns; None for an unconditional network.
        like: the input that the rows go with, shape (N, …); gives the number of rows, dtype and device.

    Returns:
        Tensor of shape (N, num_classes), or (N, 0) without classes, so that callers concatenate and need no branch.

    Raises:
        DataError: labels missing where the network has classes, given where it has none, of another number than
            the samples, or outside [0, num_classes).

    Example:
        >>> one_hot(torch.tensor([2, 0]), 3, like=torch.zeros(2, 5))
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    if num_classes is None:
        if labels is not None:
            raise DataError("expected no labels for an unconditional network; build it with num_classes, or drop them")
        return like.new_zeros(like.shape[0], 0)  # len would fix the number of rows in an exported graph
    if labels is None:
        raise DataError(
            f"expected labels in [0, {num_classes}): this network is conditional, and none came; "
            "pass labels, or build it without num_classes"
        )
    if labels.shape != like.shape[:1]:
        raise DataError(f"expected one label per sample, shape ({len(like)},), got {tuple(labels.shape)}")
    try:
        # a look-up, and not F.one_hot: that reads the labels back to the host, which vmap and CUDA graphs forbid
        return embedding(labels, torch.eye(num_classes, dtype=like.dtype, device=like.device))
    except IndexError as error:
        raise DataError(
            f"expected labels in [0, {num_classes}), got [{int(labels.min())}, {int(labels.max())}]; "
            "set num_classes to the number of classes of the data"
        ) from error
