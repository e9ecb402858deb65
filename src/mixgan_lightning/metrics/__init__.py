"""What measures samples; nothing here trains."""

from mixgan_lightning.metrics.inception_score import InceptionScore
from mixgan_lightning.metrics.mode_coverage import Coverage, ModeCoverage
from mixgan_lightning.metrics.nearest_neighbour import NearestNeighbourDistance

__all__ = ["Coverage", "InceptionScore", "ModeCoverage", "NearestNeighbourDistance"]
