"""What the networks make of the first batch, tried once before the first step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from mixgan_lightning.errors import DataError, GANError, MixGANError
from mixgan_lightning.gan import GAN
from mixgan_lightning.objectives import Objective
from mixgan_lightning.scores import adversarial, flattened

TRIAL_SAMPLES = 64  # enough to tell the range of a generator's output
FITTING_LATENTS = "make its first layer and latent_dim (or GAN.latents) fit each other"
RULES = ("discriminator_objective", "generator_objective", "payoff")  # of a GAN, that ask its objective


def check_networks(gan: GAN, generator: nn.Module, discriminator: nn.Module, batch: Any) -> None:
    """Whether the generator's output looks like the data, and the discriminator gives one score a sample.

    Call it in eval mode, without gradients, under a forked random stream.

    Raises:
        GANError: saying which network gives what, and what was expected.
    """
    images = gan.images(batch)
    latents = gan.latents(len(images), batch)
    _check_latents(latents, len(images))
    with told("generator", f"latents of shape {_shapes(latents)}", FITTING_LATENTS):
        fakes = gan.generate(generator, latents, batch)
    _check_fakes(fakes, images)
    fitting = "make its first layer fit the data, or override GAN.score to say how it is called"
    seen = f"images of shape {_shapes(images)}"
    with told("discriminator", seen, fitting), torch.enable_grad():  # the scores' graph tells a sigmoid
        outputs = flattened(gan.score(discriminator, images, batch), len(images))
    _check_outputs(outputs, len(images))
    _check_scale(gan, adversarial(outputs))


@contextmanager
def told(network: str, what: str, mend: str) -> Iterator[None]:
    """What PyTorch says where a network is called, with what it was fed.

    Raises:
        GANError: in its place.
    """
    try:
        yield
    except (MixGANError, torch.OutOfMemoryError):
        raise
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise GANError(f"the {network} cannot take {what}: {type(error).__name__}: {error}; {mend}") from error


def _shapes(tree: Any) -> str:
    """The shapes of the tensors in a tree, first to last."""
    return ", ".join(str(tuple(leaf.shape)) for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)) or "none"


def _is_of_rows(leaf: Any, n: int) -> bool:
    return isinstance(leaf, Tensor) and leaf.ndim > 0 and len(leaf) == n


def _check_latents(latents: Any, n: int) -> None:
    """Each tensor has a row for each sample: what dealing them out between the generators rests on."""
    leaves = [leaf for leaf in tree_leaves(latents) if isinstance(leaf, Tensor)]
    if not leaves or not all(_is_of_rows(leaf, n) for leaf in leaves):
        raise GANError(
            f"GAN.latents({n}, batch) gives tensors of shape {_shapes(latents)}; expected {n} rows in each: "
            "one for each sample asked for"
        )


def _check_fakes(fakes: Any, images: Tensor) -> None:
    if not isinstance(fakes, Tensor) or fakes.shape != images.shape:
        got = tuple(fakes.shape[1:]) if isinstance(fakes, Tensor) else type(fakes).__name__
        raise GANError(
            f"the generator gives samples of shape {got}, the data are {tuple(images.shape[1:])}; "
            "make the generator's last layer (or the dataset's resizing) fit"
        )
    if not fakes.is_floating_point():
        raise GANError(f"the generator gives {fakes.dtype}; the data are {images.dtype}: it must give floating point")
    if not torch.isfinite(fakes).all():
        raise GANError("the untrained generator gives NaN or infinite values; check its initialisation")
    if images.ndim == 4:
        _check_range(images, fakes)


def _check_range(images: Tensor, fakes: Tensor) -> None:
    """Images lie in [−1, 1], and a generator without negative outputs cannot make those that have them."""
    low, high = float(images.min()), float(images.max())
    if low < -1.001 or high > 1.001:
        raise DataError(f"expected images in [-1, 1], got [{low:.4g}, {high:.4g}]; rescale them in the dataset")
    if low >= 0 and high > 0:
        raise DataError(
            f"expected images in [-1, 1], got [{low:.4g}, {high:.4g}] without one negative value; "
            "rescale them in the dataset (torchvision: ToTensor() and then Normalize(0.5, 0.5))"
        )
    if len(fakes) * fakes[0].numel() >= TRIAL_SAMPLES and float(fakes.min()) >= 0:
        raise GANError(
            f"the generator's output is never negative (from {float(fakes.min()):.3g} to {float(fakes.max()):.3g}) but "
            f"the data lie in [{low:.3g}, {high:.3g}]; end the generator with tanh"
        )


def _check_outputs(outputs: Any, n: int) -> None:
    """Scores, (n,), first; then any tensors of n rows."""
    leaves = tree_leaves(outputs)
    scores = leaves[0] if leaves else None
    among = "" if isinstance(outputs, Tensor) else f", first of a {type(outputs).__name__},"
    if not isinstance(scores, Tensor) or tuple(scores.shape) != (n,):
        got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise GANError(
            f"the discriminator gives {got}{among} for {n} samples; expected one score each, ({n},) or ({n}, 1): "
            f"end it with one output{' in the first place' if among else ''}, or override GAN.score to make one "
            "of several"
        )
    if not all(_is_of_rows(leaf, n) for leaf in leaves):
        got = ", ".join(_shapes(leaf) if isinstance(leaf, Tensor) else type(leaf).__name__ for leaf in leaves)
        raise GANError(
            f"the discriminator gives a {type(outputs).__name__} of {got} for {n} samples; expected tensors of {n} "
            "rows each, for they are dealt out with the fakes: override GAN.score to leave the others out"
        )


def _check_scale(gan: GAN, scores: Tensor) -> None:
    """Scores that the objective can be meant for; a GAN that overrides all three rules asks none."""
    is_asked = any(getattr(type(gan), rule) is getattr(GAN, rule) for rule in RULES)
    misfit = gan.objective.misfit(scores) if is_asked and isinstance(gan.objective, Objective) else None
    if misfit is not None:
        raise GANError(f"{type(gan.objective).__name__} {misfit}")
