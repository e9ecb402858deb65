"""The sampler as one file of a graph: TorchScript, torch.export's, ONNX; each compared with the model."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from mixgan_lightning.errors import GANError
from mixgan_lightning.export.libraries import library
from mixgan_lightning.export.sampler import TensorSampler

KEY = "mixgan.json"  # of the description within a file
ROWS = 3  # of the example that is traced; what is written takes any number
CHECKED = 16  # rows of the check
TOLERANCE = 1e-5  # of the largest value


def torchscript(sampler: TensorSampler, description: str) -> bytes:
    """``torch.jit.load(path)(h0, latents[, labels])``, in Python or C++."""
    held = io.BytesIO()
    with _following("torch.jit.trace"):
        traced = torch.jit.trace(sampler.network, sampler.inputs(ROWS), check_trace=False)
        _check(sampler, traced)
        torch.jit.save(traced, held, _extra_files={KEY: description})
    return held.getvalue()


def pt2(sampler: TensorSampler, description: str) -> bytes:
    """``torch.export.load(path).module()(h0, latents[, labels])``: what takes TorchScript's place."""
    program, held = _program(sampler), io.BytesIO()
    torch.export.save(program, held, extra_files={KEY: description})
    return held.getvalue()


def onnx(sampler: TensorSampler, description: str) -> bytes:
    """Inputs h0, latents[, labels], output images; for onnxruntime and others."""
    for name in ("onnx", "onnxscript"):
        library(name, "onnx")
    program = _program(sampler)
    with _following("torch.onnx"):
        made = torch.onnx.export(program, (), dynamo=True, verbose=False, output_names=["images"])
        assert made is not None  # it is where dynamo=True
        made.model.metadata_props[KEY] = description
        return made.model_proto.SerializeToString()


GRAPHS: dict[str, Callable[[TensorSampler, str], bytes]] = {"torchscript": torchscript, "pt2": pt2, "onnx": onnx}


def _program(sampler: TensorSampler) -> torch.export.ExportedProgram:
    inputs, rows = sampler.inputs(ROWS), torch.export.Dim("N")
    with _following("torch.export"), torch.no_grad():
        shapes = tuple({0: rows} for _ in inputs)
        program = torch.export.export(sampler.network, inputs, dynamic_shapes=shapes, strict=False)
        _check(sampler, program.module())
    return program


@contextmanager
def _following(what: str) -> Iterator[None]:
    """What torch says of a generator that it cannot follow, in our words; its warnings to developers unsaid."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except GANError:
        raise
    except Exception as error:  # compilers raise anything
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise GANError(
            f"{what} cannot follow this generator: {reason[0]}; does its forward depend on the values or the number of "
            "its inputs? (len(latents): write latents.shape[0]); format=safetensors keeps the weights"
        ) from error


def _check(sampler: TensorSampler, loaded: Callable[..., Tensor]) -> None:
    """Whether what will be written gives the model's samples, of another number of rows than it was made with."""
    inputs = sampler.inputs(CHECKED, seed=1)
    with torch.no_grad():
        expected, found = sampler.samples(inputs), loaded(*inputs)
    off = float((found - expected).abs().max() / expected.abs().max().clamp(min=1))
    if not off <= TOLERANCE:
        raise GANError(
            f"the exported network gives other samples than the model, by {off:.2g}: the generator's forward draws at "
            "random, or depends on values that were fixed when it was traced; format=safetensors keeps the weights"
        )
