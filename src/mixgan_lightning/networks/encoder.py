"""The classifier whose opinion of fakes conditions SGAN's generators (Huang et al. 2016's encoder)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.options import check_count


class Encoder(nn.Module):
    """E: (convolution 5×5 → ReLU → max pooling) × 2, width and 2·width channels → linear to 4·width, ReLU → logits.

    Source: github.com/PrincetonML/MIX-plus-GANs, cifar10/train_mixgan.py. Initialised as PyTorch does.

    Args:
        sample_shape: (C, S, S), S ≥ 16.
        num_classes: number of labels.
        width: channels of the first convolution; 64 in the reference.

    Raises:
        ConfigurationError: the shape is no square image of such a size.

    Example:
        >>> import torch
        >>> Encoder((3, 32, 32), num_classes=10, width=8)(torch.zeros(4, 3, 32, 32)).shape
        torch.Size([4, 10])
    """

    def __init__(self, sample_shape: Sequence[int], num_classes: int, width: int = 64) -> None:
        super().__init__()
        shape = tuple(sample_shape)
        if len(shape) != 3 or shape[1] != shape[2] or shape[1] < 16:
            raise ConfigurationError(f"expected sample_shape (C, S, S) with S >= 16, got {shape}; resize the images")
        check_count("width", width)
        side = ((shape[1] - 4) // 2 - 4) // 2
        self.sample_shape, self.num_classes = shape, num_classes
        self.layers = nn.Sequential(
            nn.Conv2d(shape[0], width, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(2 * width * side**2, 4 * width),
            nn.ReLU(),
            nn.Linear(4 * width, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, S, S) → logits (N, num_classes)."""
        return self.layers(images)
