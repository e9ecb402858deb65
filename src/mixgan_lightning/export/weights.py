"""The generators' weights alone."""

from __future__ import annotations

from mixgan_lightning.export.graphs import KEY
from mixgan_lightning.export.libraries import library
from mixgan_lightning.mixture_module import MixtureModule
from mixgan_lightning.theory.fold import chances


def safetensors(model: MixtureModule, description: str) -> bytes:
    """``components.{i}.…``: parameters and buffers of each generator; ``weights``: w, (T,)."""
    found = {"weights": chances(model.generators)}
    for i, generator in enumerate(model.generators):
        found |= {f"components.{i}.{name}": tensor for name, tensor in generator.state_dict().items()}
    # copies: tied parameters share memory, which the format refuses
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in found.items()}
    return library("safetensors.torch", "safetensors").save(tensors, {KEY: description})
