"""What a reader of an exported file must know: inputs, outputs, weights, architecture; as JSON in it and beside it."""

from __future__ import annotations

import inspect
import json
import math
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from mixgan_lightning.errors import SamplingError
from mixgan_lightning.export.sampler import NAMES, TensorSampler
from mixgan_lightning.gan import GAN
from mixgan_lightning.mixture_module import MixtureModule
from mixgan_lightning.theory.fold import chances

DRAWN = 1_000  # rows of latents, of which the description tells how they lie


def describe(model: MixtureModule, sampler: TensorSampler | None, about: dict[str, Any]) -> str:
    """The JSON: what the caller says of it, the mixture, and the inputs and outputs of a sampler."""
    called = {} if sampler is None else _called(sampler)
    return json.dumps(about | _mixture(model) | called, indent=2, ensure_ascii=False, default=str)


def _mixture(model: MixtureModule) -> dict[str, Any]:
    generator = model.component(0)
    return {
        "made_by": f"mixgan_lightning {version('mixgan_lightning')}, torch {torch.__version__}",
        "component_weights": chances(model.generators).tolist(),
        **_labels(model),
        "generator": type(generator).__name__,
        "architecture": repr(generator).splitlines(),
        "gan": model.hparams.get("make_gan"),
        **_own_generate(model),
    }


def _own_generate(model: MixtureModule) -> dict[str, str]:
    """Where a GAN's own method stands between latents and generator, which weights alone do not hold."""
    own = isinstance(model.gan, GAN) and type(model.gan).generate is not GAN.generate
    return {"generate": f"by {type(model.gan).__name__}.generate, with what it holds"} if own else {}


def _labels(model: MixtureModule) -> dict[str, Any]:
    try:
        counts = model.sampler.label_weights
    except SamplingError:  # it is not known how this GAN's samples are drawn, so neither whether of labels
        return {}
    shares = None if counts is None else (counts.double() / counts.sum()).tolist()
    return {"num_classes": None if counts is None else len(counts), "class_weights": shares}


def _called(sampler: TensorSampler) -> dict[str, Any]:
    gan, inputs = sampler.model.gan, sampler.inputs(2)
    plain = isinstance(gan, GAN) and type(gan).latents is GAN.latents
    laws = (
        "standard normal; chooses the i-th generator, i = 0 … T - 1, where i of the thresholds are below it",
        "standard normal" if plain else _law(sampler),
        "classes, drawn by class_weights",
    )
    return {
        "thresholds": [str(z) if math.isinf(z) else z for z in sampler.network.thresholds.tolist()],  # JSON has no ∞
        "inputs": [
            {"name": name, **_typed(given), "law": law} for name, given, law in zip(NAMES, inputs, laws, strict=False)
        ],
        "outputs": [{"name": "images", **_typed(sampler.samples(inputs))}],
    }


def _law(sampler: TensorSampler) -> str:
    """Of latents of a GAN's own: what its method says of them, and how they lie."""
    gan, drawn = sampler.model.gan, sampler.inputs(DRAWN)[1].double()
    law = "as the user's own step draws them"
    if isinstance(gan, GAN):
        said = inspect.cleandoc(type(gan).latents.__doc__ or "").partition("\n")[0]  # not the overridden method's
        law = f"as {type(gan).__name__}.latents draws them" + (f": {said}" if said else "")
    return f"{law}; mean {drawn.mean():.2f}, sd {drawn.std():.2f}, from {drawn.min():.2f} to {drawn.max():.2f}"


def _typed(rows: Tensor) -> dict[str, Any]:
    """N: any number of rows."""
    return {"shape": ["N", *rows.shape[1:]], "dtype": str(rows.dtype).removeprefix("torch.")}
