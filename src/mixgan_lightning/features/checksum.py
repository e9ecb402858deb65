"""Which weights a score was computed with: a fingerprint of a feature extractor."""

from __future__ import annotations

import hashlib

import torch
from torch import nn


def checksum(features: nn.Module) -> str:
    """SHA-256 of a module's class and of the names, types and values of its parameters and buffers, 64 hex digits.

    Example:
        >>> checksum(nn.Identity())[:12]
        '999f23fcd7be'
    """
    digest = hashlib.sha256(type(features).__qualname__.encode())
    for name, tensor in sorted(features.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
