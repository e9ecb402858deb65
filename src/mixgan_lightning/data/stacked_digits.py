"""Three handwritten digits as the colours of one picture: 1,000 modes, as stacked MNIST (Metz et al. 2017) has."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from mixgan_lightning.data.digits import digits_split
from mixgan_lightning.data.tensors import TensorDataModule, check_images
from mixgan_lightning.options import check_count

HELD_OUT = 26_000  # as many as are drawn to count modes (Lin et al. 2018), so that real data are scored alike
SEED = 0  # of the triples


class StackedDigitsDataModule(TensorDataModule):
    """Triples of digits as RGB images (B, 3, image_size, image_size) in [−1, 1], without labels.

    Each channel is a digit of its own, drawn uniformly with replacement, as in the stacked MNIST of Metz et al. 2017:
    10³ modes of about equal weight. Training triples hold training digits alone; held-out triples, 26,000 of them,
    held-out digits alone (`digits_split`). They are the same at every call.

    Args:
        batch_size: samples in a batch, per process.
        image_size: side in pixels; 8 is the data's own, others are resized bilinearly.
        num_samples: training triples. 50,000: 50 a mode, and 38 MB of 8×8 images.

    Raises:
        ConfigurationError: image_size, num_samples or batch_size < 1.

    Example:
        >>> data = StackedDigitsDataModule(num_samples=1_000)
        >>> data.setup()
        >>> next(iter(data.train_dataloader())).shape
        torch.Size([64, 3, 8, 8])
    """

    def __init__(self, batch_size: int = 64, image_size: int = 8, num_samples: int = 50_000) -> None:
        super().__init__(batch_size)
        self.sample_shape = (3, check_count("image_size", image_size), image_size)
        self.num_samples = check_count("num_samples", num_samples)

    def load(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Training triples and held-out triples; 8×8 images come through unchanged."""
        (train, _), (held_out, _) = digits_split()
        check_images(self.num_samples + HELD_OUT, self.sample_shape)
        generator = torch.Generator().manual_seed(SEED)
        held_out_triples = self._triples(held_out, HELD_OUT, generator)  # first: the same for any num_samples
        return (self._triples(train, self.num_samples, generator),), (held_out_triples,)

    def _triples(self, digits: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """Digits (N, 1, 8, 8) → n triples of them (n, 3, S, S)."""
        resized = interpolate(digits, self.sample_shape[1:], mode="bilinear", align_corners=False).squeeze(1)
        return resized[torch.randint(len(digits), (n, 3), generator=generator)]
