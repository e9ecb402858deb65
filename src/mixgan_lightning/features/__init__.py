"""Feature extractors that scores are computed in, one a file."""

from mixgan_lightning.features.digits import DigitsClassifier

__all__ = ["DigitsClassifier"]
