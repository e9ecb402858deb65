"""Which of 1,000 triples a picture of three stacked digits shows: the digits classifier, channel by channel."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torch.nn.functional import log_softmax

from mixgan_lightning.errors import DataError
from mixgan_lightning.features.digits import DigitsClassifier

CHANNELS = 3


class StackedDigitsClassifier(nn.Module):
    """p(abc|x) = p(a|red) p(b|green) p(c|blue) of RGB images: class 100 a + 10 b + c, by one classifier of digits.

    Its logits are log p(abc|x), so that softmax gives p(abc|x) back. The embedding is the three channels' embeddings
    side by side. `logits(embedding)` serves both in one pass.

    Args:
        digits: the classifier of one channel; it must be trained.

    Args of `forward` and `embedding`:
        images: (N, 3, S, S) in [−1, 1]; other sides than 8 are resized bilinearly with antialiasing.

    Raises:
        DataError: images of another rank or number of channels.

    Example:
        >>> import torch
        >>> classifier = StackedDigitsClassifier(DigitsClassifier())     # untrained; see `pretrained`
        >>> images = torch.zeros(2, 3, 8, 8)
        >>> classifier(images).shape, classifier.embedding(images).shape
        (torch.Size([2, 1000]), torch.Size([2, 192]))
    """

    def __init__(self, digits: DigitsClassifier) -> None:
        super().__init__()
        self.digits = digits

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, S, S) in [−1, 1] → log p(abc|x) (N, 1000), float32."""
        return self.logits(self.embedding(images))

    def embedding(self, images: Tensor) -> Tensor:
        """Images (N, 3, S, S) in [−1, 1] → the channels' embeddings side by side (N, 192), float32."""
        if images.ndim != 4 or images.shape[1] != CHANNELS:
            raise DataError(
                f"expected RGB images of shape (N, 3, S, S), got {tuple(images.shape)}; "
                "this classifier judges stacked digits only, use other features for other data"
            )
        channels = images.flatten(0, 1).unsqueeze(1)
        return self.digits.embedding(channels).unflatten(0, (-1, CHANNELS)).flatten(1)

    def logits(self, embedding: Tensor) -> Tensor:
        """Embedding (N, 192) → log p(abc|x) (N, 1000), float32."""
        a, b, c = log_softmax(self.digits.logits(embedding.unflatten(1, (CHANNELS, -1))), -1).unbind(1)
        return (a[:, :, None, None] + b[:, None, :, None] + c[:, None, None, :]).flatten(1)

    @staticmethod
    def pretrained(cache_dir: Path | str | None = None) -> StackedDigitsClassifier:
        """With `DigitsClassifier.pretrained`: frozen, in eval mode, trained at first use and then read from the cache.

        Args:
            cache_dir: folder of the cached weights; $MIXGAN_CACHE, or else ~/.cache/mixgan_lightning.

        Returns:
            A classifier of about 95 % accuracy on held-out triples.
        """
        return StackedDigitsClassifier(DigitsClassifier.pretrained(cache_dir)).eval()
