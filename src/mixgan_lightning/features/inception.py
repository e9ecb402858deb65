"""The Inception network of published scores: TensorFlow's of 2015-12-05, as torch-fidelity ports it."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import torch
from filelock import FileLock
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

from mixgan_lightning.downloads import never_stalling, unreachable
from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.pictures import to_uint8

OFFICIAL_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"  # of the file at URL_INCEPTION_V3
BATCH = 64  # images at a time: torch-fidelity's, and 0.4 GB of activations
TOLERANCE = 1e-3  # beyond [-1, 1]: a rounding of tanh in 16 bits
WHERE = (
    f"download {URL_INCEPTION_V3} where there is a network and set features.weights_path=FILE "
    "(on the command line: callbacks.quality.features.weights_path=FILE; callbacks/quality=none measures nothing)"
)


class InceptionFeatures(nn.Module):
    """torch-fidelity's ``inception-v3-compat``: 1,008 logits without bias, and the 2,048 activations before them.

    The network of Salimans et al. 2016 and Heusel et al. 2017 (inception-2015-12-05), on 8-bit images, resized to
    299 × 299 as TensorFlow 1 did it (bilinear, no antialiasing, corners not aligned). Float images are rounded to
    8 bits first, as if they had been saved as a PNG; grey ones become RGB. Frozen, always in eval mode, in float32.

    Args:
        weights_path: the weights' file, for machines without a network. Default: torch-fidelity's file in torch.hub's
            cache, downloaded there at first use; one process of a machine downloads, the others wait for it.
        sha256: the file's expected checksum. Default: the official file's. None: it is not verified (weights of your
            own, whose scores compare with nobody's).

    Args of `forward`, `embedding`:
        images: (N, 3 or 1, H, W), float in [−1, 1] or uint8 in 0 … 255; any size.

    `forward(images)` gives logits (N, 1008), `embedding(images)` activations (N, 2048), `logits(embedding)` the rest of
    the way: float32.

    Raises:
        ConfigurationError: no weights and no network (within 5 seconds); a file that is missing, truncated, altered or
            of another architecture.
        DataError: images of another rank, number of channels, type or range.

    Example:
        >>> InceptionFeatures(weights_path="no_such.pth")
        Traceback (most recent call last):
        mixgan_lightning.errors.ConfigurationError: weights_path=no_such.pth: no such file; download https://...
    """

    def __init__(self, weights_path: str | Path | None = None, sha256: str | None = OFFICIAL_SHA256) -> None:
        super().__init__()
        path = _downloaded() if weights_path is None else Path(weights_path)
        self.network = _network(_verified(path, sha256), path).eval().requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) → logits without bias (N, 1008)."""
        return self.logits(self.embedding(images))

    @torch.no_grad()
    def embedding(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) → the 2,048 activations of the last pooling (N, 2048)."""
        with torch.autocast(images.device.type, enabled=False):  # a score must not depend on the training's precision
            parts = [self.network(part)[0] for part in rgb_uint8(images).split(BATCH)]
        return torch.cat(parts) if parts else images.new_zeros(0, self.network.fc.in_features, dtype=torch.float32)

    @torch.no_grad()
    def logits(self, embedding: Tensor) -> Tensor:
        """Activations (N, 2048) → logits without bias (N, 1008), which the inception score is defined on."""
        with torch.autocast(embedding.device.type, enabled=False):
            return embedding @ self.network.fc.weight.T

    def train(self, mode: bool = True) -> InceptionFeatures:
        """Eval mode for good: its BatchNorm statistics are part of the score's definition."""
        return super().train(False)


def rgb_uint8(images: Tensor) -> Tensor:
    """Images (N, 1 or 3, H, W), uint8 or float in [−1, 1], as RGB (N, 3, H, W) uint8, rounded to nearest.

    Raises:
        DataError: for any other rank, number of channels, type or range.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise DataError(
            f"expected images of shape (N, 3, H, W), or (N, 1, H, W) in grey, got {tuple(images.shape)}; "
            "the Inception network judges pictures only"
        )
    if images.dtype != torch.uint8:
        images = _quantised(images)
    return images.expand(-1, 3, -1, -1)


def _quantised(images: Tensor) -> Tensor:
    if not images.is_floating_point():
        raise DataError(f"expected uint8 images in 0 … 255, or float in [-1, 1], got {images.dtype}; convert them")
    bad = int((~images.isfinite()).flatten(1).any(1).sum())
    if bad:
        raise DataError(
            f"expected finite images, got NaN or infinity in {bad} of {len(images)}; the generator may have diverged"
        )
    low, high = (float(images.min()), float(images.max())) if images.numel() else (0.0, 0.0)
    if low < -1 - TOLERANCE or high > 1 + TOLERANCE:
        raise DataError(
            f"expected float images in [-1, 1], got [{low:.4g}, {high:.4g}]; rescale them (x / 127.5 - 1 for 0 … 255), "
            "or end the generator with tanh"
        )
    return to_uint8(images)


def _network(state: dict[str, Tensor], path: Path) -> FeatureExtractorInceptionV3:
    """torch-fidelity's network with these weights."""
    ours = io.BytesIO()  # torch-fidelity unpickles whatever file it is given: give it one that we wrote from tensors
    torch.save(state, ours)
    ours.seek(0)
    try:
        with torch.random.fork_rng(devices=[]):  # building draws an initialisation
            return FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048", "logits_unbiased"], feature_extractor_weights_path=ours
            )
    except (RuntimeError, AttributeError, TypeError) as error:
        reason = str(error).strip().splitlines()[-1].strip()[:160]
        raise ConfigurationError(
            f"weights_path={path}: the file holds another architecture than torch-fidelity's inception-v3-compat "
            f"({reason}); {WHERE}"
        ) from error


def _verified(path: Path, sha256: str | None) -> dict[str, Tensor]:
    """The tensors of a weights' file, its checksum verified, without running code that it might hold."""
    if not path.is_file():
        raise ConfigurationError(f"weights_path={path}: no such file; {WHERE}")
    contents = path.read_bytes()
    found = hashlib.sha256(contents).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise ConfigurationError(
            f"weights_path={path}: expected the checksum sha256={sha256}, got {found} ({len(contents):,} bytes: "
            f"truncated, altered, or another file); {WHERE}; sha256=null takes weights of your own"
        )
    try:
        return torch.load(io.BytesIO(contents), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises errors of many kinds
        raise ConfigurationError(
            f"weights_path={path}: cannot be read as a file of tensors ({type(error).__name__}: truncated, or not "
            f"written by torch.save); {WHERE}"
        ) from error


def _downloaded() -> Path:
    """The official file in torch.hub's cache, fetched if it is not there yet."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / URL_INCEPTION_V3.rsplit("/", 1)[1]
    if path.is_file():
        return path
    reason = unreachable(URL_INCEPTION_V3)
    if reason is not None:
        raise ConfigurationError(
            f"the Inception weights are not on this machine and cannot be fetched: {reason}; {WHERE}"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"), never_stalling():  # one process of a machine downloads, the others wait here
            if not path.is_file():
                torch.hub.download_url_to_file(
                    URL_INCEPTION_V3, str(path), OFFICIAL_SHA256, progress=os.environ.get("LOCAL_RANK", "0") == "0"
                )
    except (OSError, RuntimeError) as error:  # the connection broke, no room on the disk, another checksum
        raise ConfigurationError(f"the Inception weights could not be downloaded ({error}); {WHERE}") from error
    return path
