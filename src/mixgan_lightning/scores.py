"""What a discriminator gives: the adversarial scores, alone or first among its outputs (class logits, codes …)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

# what only reshapes, picks or converts its input, as autograd names it
RESHAPES = ("View", "UnsafeView", "Reshape", "Squeeze", "Unsqueeze", "Select", "Slice", "Split", "Alias", "ToCopy")


def adversarial(outputs: Any) -> Tensor:
    """The adversarial scores, (N,): the outputs themselves, or their first leaf (a tuple's first, a dict's first key).

    Example:
        >>> adversarial({"validity": torch.zeros(4), "classes": torch.zeros(4, 10)}).shape
        torch.Size([4])
    """
    return outputs if isinstance(outputs, Tensor) else tree_leaves(outputs)[0]


def flattened(outputs: Any, n: int) -> Any:
    """The same outputs for n samples, adversarial scores (N, 1), (N, 1, 1, 1) … as (N,); all others as they are."""
    if isinstance(outputs, Tensor):
        return outputs.flatten() if outputs.ndim != 1 and outputs.numel() == n else outputs
    leaves, structure = tree_flatten(outputs)
    if leaves and isinstance(leaves[0], Tensor):
        leaves[0] = flattened(leaves[0], n)
    return tree_unflatten(leaves, structure)


def widened(outputs: Any) -> Any:
    """The same outputs, 16-bit ones in float32: a mean over a batch in bfloat16 would keep two digits."""
    if not isinstance(outputs, Tensor):
        return tree_map(lambda leaf: widened(leaf) if isinstance(leaf, Tensor) else leaf, outputs)
    return outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs


def is_a_sigmoids(scores: Tensor) -> bool:
    """Whether the scores are a sigmoid's outputs, however reshaped; by their graph, so nn.Sigmoid or torch.sigmoid."""
    node = scores.grad_fn
    while node is not None and node.name().startswith(RESHAPES):
        node = node.next_functions[0][0]
    return node is not None and node.name().startswith("SigmoidBackward")
