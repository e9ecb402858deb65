"""What the paper's theory says, measured: quantities that need players trained for them alone."""

from mixgan_lightning.theory.average import AveragedDiscriminator, average_discriminator
from mixgan_lightning.theory.birthday import Support, birthday_support, near_duplicate_distance
from mixgan_lightning.theory.duality_gap import DualityGapEstimate, duality_gap
from mixgan_lightning.theory.empirical import (
    empirical_jensen_shannon,
    empirical_wasserstein,
    pairwise_distances,
    smoothed_jensen_shannon,
)
from mixgan_lightning.theory.fold import FoldedGenerator, fold
from mixgan_lightning.theory.matrix_gap import matrix_gap
from mixgan_lightning.theory.nash import NashWeights, nash_weights
from mixgan_lightning.theory.neural_net_divergence import NeuralNetDivergence, neural_net_divergence

__all__ = [
    "AveragedDiscriminator",
    "DualityGapEstimate",
    "FoldedGenerator",
    "NashWeights",
    "NeuralNetDivergence",
    "Support",
    "average_discriminator",
    "birthday_support",
    "duality_gap",
    "empirical_jensen_shannon",
    "empirical_wasserstein",
    "fold",
    "matrix_gap",
    "nash_weights",
    "near_duplicate_distance",
    "neural_net_divergence",
    "pairwise_distances",
    "smoothed_jensen_shannon",
]
