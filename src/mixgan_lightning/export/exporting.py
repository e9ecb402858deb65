"""Writing a mixture in one of the formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mixgan_lightning.errors import ConfigurationError, GANError
from mixgan_lightning.export.description import describe
from mixgan_lightning.export.graphs import GRAPHS
from mixgan_lightning.export.sampler import TensorSampler
from mixgan_lightning.export.weights import safetensors
from mixgan_lightning.mixture_module import MixtureModule

FORMATS = {"torchscript": ".pt", "pt2": ".pt2", "onnx": ".onnx", "safetensors": ".safetensors"}  # and their suffixes


def export(
    model: MixtureModule,
    path: str | Path,
    format: str = "torchscript",  # noqa: A002  # the command's word
    about: dict[str, Any] | None = None,
) -> Path:
    """Write the mixture's generators as a sampler that runs without this package.

    torchscript, pt2 and onnx hold one network (h0, latents[, labels]) -> samples (N, *sample shape), in eval mode, for
    any N: h0 ~ N(0, 1), (N,), chooses each row's generator (`theory.fold` with hard steps: exactly the mixture), so
    that nothing is drawn inside. All T generators run on all rows. The graph is compared with the model before
    anything is written. safetensors holds the generators' weights and w alone.

    A JSON in the file (``mixgan.json``) and beside it (NAME.json) tells inputs and their laws, w and architecture.

    Args:
        model: a mixture; it stays as it is.
        path: the file.
        format: "torchscript" (.pt), "pt2" (.pt2: torch.export), "onnx" (.onnx), "safetensors" (.safetensors).
        about: what else the JSON says, such as the checkpoint.

    Returns:
        The path.

    Raises:
        ConfigurationError: another format or suffix.
        GANError: not for safetensors: latents that are not one tensor, samples that are no function of them, or a
            generator that torch cannot follow.
        MissingLibraryError: the extra ``export`` is not installed (onnx and safetensors).

    Example:
        >>> import torch
        >>> from mixgan_lightning import GAN, mix
        >>> from torch import nn
        >>> model = mix(lambda: GAN(nn.Linear(100, 2), nn.Linear(2, 1)), size=3)
        >>> sampler = torch.export.load(export(model, "sampler.pt2", format="pt2")).module()
        >>> sampler(torch.randn(64), torch.randn(64, 100)).shape
        torch.Size([64, 2])
    """
    path = check_path(path, format)
    if format in GRAPHS:
        sampler = TensorSampler.of(model)
        description = describe(model, sampler, about or {})
        written = GRAPHS[format](sampler, description)
    else:
        description = describe(model, _sampler(model), about or {})
        written = safetensors(model, description)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written)
    path.with_name(f"{path.name}.json").write_text(description + "\n", encoding="utf-8")
    return path


def _sampler(model: MixtureModule) -> TensorSampler | None:
    """What weights alone are described by, where there is one."""
    try:
        return TensorSampler.of(model)
    except GANError:
        return None


def check_path(path: str | Path | None, format: str) -> Path:  # noqa: A002
    """The file to write; by default ``sampler`` with the format's suffix.

    Raises:
        ConfigurationError: another format or suffix.
    """
    if format not in FORMATS:
        raise ConfigurationError(f"format: expected one of {', '.join(FORMATS)}, got {format!r}")
    found = Path(path or f"sampler{FORMATS[format]}")
    if found.suffix != FORMATS[format]:
        raise ConfigurationError(f"out={found}: expected a {FORMATS[format]} file for format={format}")
    return found
