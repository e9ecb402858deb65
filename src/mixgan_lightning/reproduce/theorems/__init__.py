"""The theorems as experiments: what each measures at one size with one seed."""

from mixgan_lightning.reproduce.theorems.distances_of_samples import DistancesOfSamples
from mixgan_lightning.reproduce.theorems.measurement import Measurement
from mixgan_lightning.reproduce.theorems.neural_net_generalisation import NeuralNetGeneralisation
from mixgan_lightning.reproduce.theorems.small_support import SmallSupport

__all__ = ["DistancesOfSamples", "Measurement", "NeuralNetGeneralisation", "SmallSupport"]
