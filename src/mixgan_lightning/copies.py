"""Copies of networks, with what they hold."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TypeVar

from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def copied(network: Network, shared: Iterable[Tensor] = ()) -> Network:
    """A deep copy, also of what ``deepcopy`` refuses: networks that hold tensors with a graph (spectral_norm's weight).

    ``shared``: tensors that the copy has in common with the original.
    """
    attributes = (value for part in network.modules() for value in vars(part).values() if isinstance(value, Tensor))
    own = {id(tensor): tensor.detach().clone() for tensor in attributes}
    return copy.deepcopy(network, memo=own | {id(tensor): tensor for tensor in shared})
