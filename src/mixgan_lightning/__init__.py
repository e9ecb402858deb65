"""MIX+GAN for PyTorch Lightning: turn any GAN into a mixture of generators and discriminators (Arora et al. 2017)."""

from importlib.metadata import version

from mixgan_lightning.gan import GAN
from mixgan_lightning.mix import mix
from mixgan_lightning.mixture import Mixture
from mixgan_lightning.module import MixGANModule

__all__ = ["GAN", "MixGANModule", "Mixture", "mix"]
__version__ = version("mixgan-lightning")
