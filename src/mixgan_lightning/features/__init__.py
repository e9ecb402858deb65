"""Feature extractors that scores are computed in, one a file."""

from mixgan_lightning.features.checksum import checksum
from mixgan_lightning.features.digits import DigitsClassifier
from mixgan_lightning.features.inception import InceptionFeatures
from mixgan_lightning.features.stacked_digits import StackedDigitsClassifier

__all__ = ["DigitsClassifier", "InceptionFeatures", "StackedDigitsClassifier", "checksum"]
