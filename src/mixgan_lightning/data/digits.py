"""Scikit-learn's 1,797 handwritten digits (UCI): real data that need no download."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn.functional import interpolate

from mixgan_lightning.data.tensors import TensorDataModule, check_images
from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.options import check_count


def digits_split(validation_share: float = 0.2) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The digits in two parts, the same at every call: (images, labels) for training, (images, labels) held out.

    Both parts have every class in the same proportion (stratified, random_state 0).

    Args:
        validation_share: share held out, in (0, 1). 0.2: 360 digits, 36 a class, and 1,437 left to learn from.

    Returns:
        Two pairs of images (N, 1, 8, 8), float32 in [−1, 1] (x/8 − 1 of the grey levels 0…16), and labels (N,).

    Raises:
        ConfigurationError: validation_share outside (0, 1), or so near its ends that a part lacks a class.

    Example:
        >>> (images, labels), (held_out, _) = digits_split()
        >>> images.shape, len(held_out)
        (torch.Size([1437, 1, 8, 8]), 360)
    """
    if not 0 < validation_share < 1:
        raise ConfigurationError(f"expected validation_share in (0, 1), got {validation_share}; 0.2 holds out 360")
    digits = load_digits()
    images = torch.tensor(digits.images / 8 - 1, dtype=torch.float32).unsqueeze(1)
    labels = torch.tensor(digits.target)
    try:
        train, held_out = train_test_split(
            range(len(labels)), test_size=validation_share, random_state=0, stratify=digits.target
        )
    except ValueError as error:
        raise ConfigurationError(
            f"expected a validation_share that leaves every class in both parts, got {validation_share}; 0.2 does"
        ) from error
    return (images[train], labels[train]), (images[held_out], labels[held_out])


class DigitsDataModule(TensorDataModule):
    """The digits with their labels: images (B, 1, image_size, image_size) in [−1, 1], labels (B,) in 0…9.

    Args:
        batch_size: samples in a batch, per process.
        image_size: side in pixels; 8 is the data's own, others are resized bilinearly (DCGANs want 8 to 128).
        validation_share: share held out, in (0, 1); see `digits_split`.

    Raises:
        ConfigurationError: image_size < 1, batch_size < 1, or validation_share outside (0, 1).

    Example:
        >>> data = DigitsDataModule(image_size=16)
        >>> data.setup()
        >>> images, labels = next(iter(data.train_dataloader()))
        >>> images.shape
        torch.Size([64, 1, 16, 16])
    """

    num_classes = 10

    def __init__(self, batch_size: int = 64, image_size: int = 8, validation_share: float = 0.2) -> None:
        super().__init__(batch_size)
        self.sample_shape = (1, check_count("image_size", image_size), image_size)
        self.validation_share = validation_share

    def load(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Both parts, resized; 8×8 images come through unchanged."""
        (train, train_labels), (held_out, held_out_labels) = digits_split(self.validation_share)
        check_images(len(train) + len(held_out), self.sample_shape)
        return (self._resized(train), train_labels), (self._resized(held_out), held_out_labels)

    def _resized(self, images: Tensor) -> Tensor:
        return interpolate(images, self.sample_shape[1:], mode="bilinear", align_corners=False)
