"""Generator and discriminator of the reference MIX+DCGAN: the best DCGAN of Huang et al. 2016 (SGAN, without stacking).

Source: the authors' code, github.com/PrincetonML/MIX-plus-GANs, cifar10/train_mixgan.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.networks.conditioning import one_hot
from mixgan_lightning.options import check_count

EPS = 1e-6  # of BatchNorm, in the reference


class SGANGenerator(nn.Module):
    """G: [h, one-hot y] → linear to 2·width × s × s → four transposed convolutions 5×5 → sigmoid, scaled to [−1, 1].

    Sides s → 2s → 2s + 4 → 4s + 8 → 4s + 12 = S, channels 2·width → 2·width → width → width → C: strides 2
    and 1 in turn, those of stride 1 without padding, so that they grow at the borders. BatchNorm and ReLU follow all
    but the last. For CIFAR-10 s = 5: 256@5×5 → 256@10×10 → 128@14×14 → 128@28×28 → 3@32×32. Convolutions start at
    N(0, 0.02), the linear layer as Glorot & Bengio 2010.

    Args:
        sample_shape: (C, S, S), S a multiple of 4 from 16 on.
        num_classes: number of labels.
        latent_dim: width of the latent vector h; 50 in the reference.
        width: channels of the last two hidden layers; 128 in the reference.

    Raises:
        ConfigurationError: the shape is no square image of such a size.

    Example:
        >>> generator = SGANGenerator((3, 32, 32), num_classes=10, width=8)
        >>> generator(torch.rand(4, 50), torch.arange(4)).shape
        torch.Size([4, 3, 32, 32])
    """

    def __init__(self, sample_shape: Sequence[int], num_classes: int, latent_dim: int = 50, width: int = 128) -> None:
        super().__init__()
        channels, side = _checked(sample_shape)
        start, wide = (side - 12) // 4, 2 * check_count("width", width)
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.body = nn.Sequential(
            nn.Linear(latent_dim + num_classes, wide * start**2, bias=False),  # BatchNorm adds one
            nn.BatchNorm1d(wide * start**2, eps=EPS),
            nn.ReLU(),
            nn.Unflatten(1, (wide, start, start)),
            *_grown(nn.ConvTranspose2d(wide, wide, 5, stride=2, padding=2, output_padding=1, bias=False)),
            *_grown(nn.ConvTranspose2d(wide, width, 5, bias=False)),
            *_grown(nn.ConvTranspose2d(width, width, 5, stride=2, padding=2, output_padding=1, bias=False)),
            nn.ConvTranspose2d(width, channels, 5),
            nn.Sigmoid(),
        )
        _initialise(self, std=0.02)

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """Latents (N, latent_dim) and labels (N,) → images (N, C, S, S) in (−1, 1)."""
        return 2 * self.body(torch.cat([latents, one_hot(labels, self.num_classes, like=latents)], dim=1)) - 1


class SGANDiscriminator(nn.Module):
    """D: noise → six 3×3 convolutions and a 1×1 one, LeakyReLU(0.2) → one logit a class, and the latents anew.

    Sides S, S/2, S/2, S/4, S/4 − 2; channels width, width, then 2·width: strides 1, 2, 1, 2, 1 (without padding), and
    the 1×1 layer. BatchNorm follows all 3×3 convolutions but the first, dropout of a half each halving. Head A, linear:
    the latents that a fake was made of. Head B, global mean and linear: a logit for each class of real images.
    Convolutions and head B start at N(0, 0.01), head A as Glorot & Bengio 2010.

    Args:
        sample_shape: (C, S, S), S a multiple of 4 from 16 on.
        num_classes: number of labels.
        latent_dim: width of the latent vector; 50 in the reference.
        width: channels of the first two layers; 96 in the reference.
        noise: standard deviation of the Gaussian noise added to images while training; 0.2 in the reference, whose
            images have a range of 1.
        dropout: share of activations that are dropped while training; 0.5 in the reference.

    Raises:
        ConfigurationError: the shape is no square image of such a size.

    Example:
        >>> logits, latents = SGANDiscriminator((3, 32, 32), num_classes=10, width=8)(torch.zeros(4, 3, 32, 32))
        >>> logits.shape, latents.shape
        (torch.Size([4, 10]), torch.Size([4, 50]))
    """

    def __init__(
        self,
        sample_shape: Sequence[int],
        num_classes: int,
        latent_dim: int = 50,
        width: int = 96,
        noise: float = 0.2,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        channels, side = _checked(sample_shape)
        wide, last = 2 * check_count("width", width), side // 4 - 2
        self.noise = noise
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            *_scored(nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False)),
            nn.Dropout(dropout),
            *_scored(nn.Conv2d(width, wide, 3, padding=1, bias=False)),
            *_scored(nn.Conv2d(wide, wide, 3, stride=2, padding=1, bias=False)),
            nn.Dropout(dropout),
            *_scored(nn.Conv2d(wide, wide, 3, bias=False)),
            nn.Conv2d(wide, wide, 1),
            nn.LeakyReLU(0.2),
        )
        self.reconstruct = nn.Sequential(nn.Flatten(), nn.Linear(wide * last**2, latent_dim))
        self.classify = nn.Linear(wide, num_classes)
        _initialise(self, std=0.01)
        nn.init.normal_(self.classify.weight, std=0.01)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, C, S, S) of range 1 → logits of the classes (N, num_classes), latents (N, latent_dim)."""
        if self.training:
            images = images + self.noise * torch.randn_like(images)
        found = self.body(images)
        return self.classify(found.mean((2, 3))), self.reconstruct(found)


def _checked(sample_shape: Sequence[int]) -> tuple[int, int]:
    """Channels and side."""
    shape = tuple(sample_shape)
    if len(shape) != 3 or shape[0] < 1 or shape[1] != shape[2] or shape[1] < 16 or shape[1] % 4:
        raise ConfigurationError(
            f"expected sample_shape (C, S, S) with S = 16, 20, 24 …, got {shape}; resize the images (data.image_size)"
        )
    return shape[0], shape[1]


def _grown(layer: nn.ConvTranspose2d) -> tuple[nn.Module, ...]:
    return layer, nn.BatchNorm2d(layer.out_channels, eps=EPS), nn.ReLU()


def _scored(layer: nn.Conv2d) -> tuple[nn.Module, ...]:
    return layer, nn.BatchNorm2d(layer.out_channels, eps=EPS), nn.LeakyReLU(0.2)


def _initialise(network: nn.Module, std: float) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=std)
        elif isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
