"""Datamodules, one a file."""

from mixgan_lightning.data.celeba import CelebADataModule
from mixgan_lightning.data.cifar10 import CIFAR10DataModule
from mixgan_lightning.data.digits import DigitsDataModule, digits_split
from mixgan_lightning.data.folder import FolderDataModule
from mixgan_lightning.data.gaussians import GaussiansGrid, GaussiansRing, PlanarGaussians
from mixgan_lightning.data.mnist import MNISTDataModule
from mixgan_lightning.data.stacked_digits import StackedDigitsDataModule
from mixgan_lightning.data.tensors import BatchedTensors, TensorDataModule

__all__ = [
    "BatchedTensors",
    "CIFAR10DataModule",
    "CelebADataModule",
    "DigitsDataModule",
    "FolderDataModule",
    "GaussiansGrid",
    "GaussiansRing",
    "MNISTDataModule",
    "PlanarGaussians",
    "StackedDigitsDataModule",
    "TensorDataModule",
    "digits_split",
]
