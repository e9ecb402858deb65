"""Datamodules, one a file."""

from mixgan_lightning.data.digits import DigitsDataModule, digits_split
from mixgan_lightning.data.gaussians import GaussiansGrid, GaussiansRing, PlanarGaussians
from mixgan_lightning.data.stacked_digits import StackedDigitsDataModule
from mixgan_lightning.data.tensors import BatchedTensors, TensorDataModule

__all__ = [
    "BatchedTensors",
    "DigitsDataModule",
    "GaussiansGrid",
    "GaussiansRing",
    "PlanarGaussians",
    "StackedDigitsDataModule",
    "TensorDataModule",
    "digits_split",
]
