"""A small classifier of handwritten digits, trained at first use: what the digits' inception score is computed with."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample, interpolate

from mixgan_lightning.cache import cache_folder, trained_once
from mixgan_lightning.data.digits import digits_split
from mixgan_lightning.errors import DataError

RECIPE = 1  # raise it when the network or its training changes: the name of the cached file and all scores follow
EPOCHS = 60  # 3 s on one core; calibrated by then (held-out cross-entropy 0.04), so that real data score 9.5 of 10


class DigitsClassifier(nn.Module):
    """p(y|x) of 8×8 digits: two 3×3 convolutions with pooling, a layer of 64 (the embedding), 10 logits.

    The score of a sample set depends on this network: compare only scores by the same `RECIPE`.

    Args of `forward` and `embedding`:
        images: (N, 1, S, S) in [−1, 1]; other sides than 8 are resized bilinearly with antialiasing.

    Raises:
        DataError: images of another rank or number of channels.

    Example:
        >>> classifier = DigitsClassifier()          # untrained; see `pretrained`
        >>> classifier(torch.zeros(2, 1, 32, 32)).shape
        torch.Size([2, 10])
    """

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * 2 * 2, 64),
            nn.ReLU(),
        )
        self.head = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 1, S, S) in [−1, 1] → logits (N, 10), float32."""
        return self.logits(self.embedding(images))

    def embedding(self, images: Tensor) -> Tensor:
        """Images (N, 1, S, S) in [−1, 1] → activations before the last layer (N, 64), float32."""
        if images.ndim != 4 or images.shape[1] != 1:
            raise DataError(
                f"expected grey images of shape (N, 1, S, S), got {tuple(images.shape)}; "
                "this classifier judges digits only, use other features for other data"
            )
        with torch.autocast(images.device.type, enabled=False):  # a score must not depend on the training's precision
            images = images.float()
            if images.shape[2:] != (8, 8):
                images = interpolate(images, (8, 8), mode="bilinear", align_corners=False, antialias=True)
            return self.body(images)

    def logits(self, embedding: Tensor) -> Tensor:
        """Embedding (N, 64) → logits (N, 10), float32: one pass serves both."""
        with torch.autocast(embedding.device.type, enabled=False):
            return self.head(embedding)

    @staticmethod
    def pretrained(cache_dir: Path | str | None = None) -> DigitsClassifier:
        """The trained classifier, frozen and in eval mode; trained in seconds at first use, then read from the cache.

        Training is seeded and leaves the global random stream where it was. Its training digits are those of
        `DigitsDataModule`, which holds out the same 360.

        Args:
            cache_dir: folder of the cached weights; $MIXGAN_CACHE, or else ~/.cache/mixgan_lightning.

        Returns:
            A classifier of 98.6 % accuracy on the held-out digits.
        """
        path = Path(cache_dir or cache_folder()) / f"digits_classifier_v{RECIPE}.pt"
        with torch.inference_mode(False), torch.random.fork_rng(devices=[]):  # grad on, also in validation
            classifier = DigitsClassifier()
            trained_once(classifier, path, lambda: classifier.load_state_dict(_trained().state_dict()))
        return classifier.eval().requires_grad_(False)


def _trained() -> DigitsClassifier:
    """AdamW with a cosine schedule on digits shifted by up to half a pixel; to be called where the stream is forked."""
    torch.default_generator.manual_seed(0)  # the CPU's alone: torch.manual_seed would reseed every GPU too
    classifier = DigitsClassifier()
    (images, labels), _ = digits_split()
    batch_size, steps = 64, len(images) // 64
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=2e-3, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * steps)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images))[: steps * batch_size].view(steps, batch_size):
            loss = cross_entropy(classifier(_shifted(images[batch])), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return classifier


def _shifted(images: Tensor, pixels: float = 0.5) -> Tensor:
    """Each image moved by up to `pixels` in x and y; what comes in at the border is background."""
    moves = torch.eye(2, 3).repeat(len(images), 1, 1)
    moves[:, :, 2] = (2 * torch.rand(len(images), 2) - 1) * pixels * 2 / images.shape[-1]  # coordinates span [−1, 1]
    grid = affine_grid(moves, list(images.shape), align_corners=False)
    return grid_sample(images + 1, grid, align_corners=False) - 1  # +1: padded with zeros, and background is −1
