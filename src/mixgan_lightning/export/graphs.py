"""The sampler as one file of a graph: TorchScript, torch.export's, ONNX; each compared with the model."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from zipfile import ZipFile

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from mixgan_lightning.errors import GANError
from mixgan_lightning.export.libraries import library
from mixgan_lightning.export.sampler import TensorSampler
from mixgan_lightning.theory import FoldedGenerator

KEY = "mixgan.json"  # of the description within a file
ROWS = 3  # of the example that is traced; what is written takes any number
CHECKED = 4  # rows of each generator in the check
TOLERANCE = 1e-5  # of the largest value
OF_OTHER_KERNELS = 1e-4  # the same, where convolutions and products are another library's


def torchscript(sampler: TensorSampler, description: str) -> bytes:
    """``torch.jit.load(path)(h0, latents[, labels])``, in Python or C++."""
    held = io.BytesIO()
    with _following("torch.jit.trace"):
        traced = torch.jit.trace(_alone(sampler.network), sampler.inputs(ROWS), check_trace=False)
        _check(sampler, traced)
        torch.jit.save(traced, held, _extra_files={KEY: description})
    return _without_sources(held)


def _alone(network: FoldedGenerator) -> Callable[..., Tensor]:
    """What is traced: the network; as a function, where it holds a user's LightningModule.

    Tracing asks a module for all its attributes, and a LightningModule without a Trainer refuses some.
    """
    if not any(isinstance(part, pl.LightningModule) for part in network.modules()):
        return network

    def sample(*inputs: Tensor) -> Tensor:
        return network(*inputs)

    return sample


def _without_sources(written: io.BytesIO) -> bytes:
    """The archive without its records of paths and lines of the code on this machine: it may be published."""
    held = io.BytesIO()
    with ZipFile(written) as old, ZipFile(held, "w") as new:
        for entry in old.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                new.writestr(entry, old.read(entry))
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
        written = made.model_proto.SerializeToString()
    if find_spec("onnxruntime") is None:
        rank_zero_warn("onnxruntime is not installed: the graph was compared with the model, its ONNX form was not")
    else:
        _check(sampler, partial(_run_by_onnxruntime, written), OF_OTHER_KERNELS)
    return written


def _run_by_onnxruntime(written: bytes, *inputs: Tensor) -> Tensor:
    session = import_module("onnxruntime").InferenceSession(written)
    given = {entry.name: rows.numpy() for entry, rows in zip(session.get_inputs(), inputs, strict=True)}
    return torch.from_numpy(session.run(["images"], given)[0])


GRAPHS: dict[str, Callable[[TensorSampler, str], bytes]] = {"torchscript": torchscript, "pt2": pt2, "onnx": onnx}


def _program(sampler: TensorSampler) -> torch.export.ExportedProgram:
    inputs, rows = sampler.inputs(ROWS), torch.export.Dim("N")
    with _following("torch.export"), torch.no_grad():
        shapes = tuple({0: rows} for _ in inputs)
        program = torch.export.export(sampler.network, inputs, dynamic_shapes=shapes, strict=False)
        _check(sampler, program.module())
    _forget_sources(program)
    return program


def _forget_sources(program: torch.export.ExportedProgram) -> None:
    """No paths and lines of the code on this machine, as `_without_sources` of TorchScript."""
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)


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
        reason = str(error).strip().rstrip(".").splitlines() or [type(error).__name__]
        raise GANError(
            f"{what} cannot follow this generator: {reason[0]}; does its forward depend on the values or the number of "
            "its inputs? (len(latents): write latents.shape[0]) Another format may; format=safetensors keeps weights"
        ) from error


def _check(sampler: TensorSampler, loaded: Callable[..., Tensor], tolerance: float = TOLERANCE) -> None:
    """Whether what will be written gives every generator's samples, of another number of rows than it was made with."""
    inputs = sampler.inputs_of_all(CHECKED, seed=1)
    with torch.no_grad():
        expected, found = sampler.samples(inputs), loaded(*inputs)
    off = float((found - expected).abs().max() / expected.abs().max().clamp(min=1))
    if not off <= tolerance:
        raise GANError(
            f"the exported network gives other samples than the model, by {off:.2g}: the generator's forward draws at "
            "random, or depends on values that were fixed when it was traced; format=safetensors keeps the weights"
        )
