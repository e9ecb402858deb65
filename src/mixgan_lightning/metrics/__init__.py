"""What measures samples; nothing here trains."""

from mixgan_lightning.metrics.class_coverage import ClassCoverage, ClassesCovered
from mixgan_lightning.metrics.inception_score import InceptionScore
from mixgan_lightning.metrics.kernel_distance import KernelDistance
from mixgan_lightning.metrics.mode_coverage import Coverage, ModeCoverage
from mixgan_lightning.metrics.nearest_neighbour import NearestNeighbourDistance
from mixgan_lightning.metrics.precision_recall import PrecisionRecall

__all__ = [
    "ClassCoverage",
    "ClassesCovered",
    "Coverage",
    "InceptionScore",
    "KernelDistance",
    "ModeCoverage",
    "NearestNeighbourDistance",
    "PrecisionRecall",
]
