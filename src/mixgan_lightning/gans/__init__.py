"""GANs that need more than two networks and an objective, one a file."""

from mixgan_lightning.gans.improved_gan import ImprovedGAN
from mixgan_lightning.gans.sgan import SGAN

__all__ = ["SGAN", "ImprovedGAN"]
