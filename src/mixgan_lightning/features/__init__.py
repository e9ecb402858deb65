"""Feature extractors that scores are computed in, one a file."""

from mixgan_lightning.features.checksum import checksum
from mixgan_lightning.features.digits import DigitsClassifier
from mixgan_lightning.features.inception import InceptionFeatures

__all__ = ["DigitsClassifier", "InceptionFeatures", "checksum"]
