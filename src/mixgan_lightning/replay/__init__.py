"""Unmodified GANs: every pair of generator and discriminator plays the user's own step, and they step as one."""

from mixgan_lightning.replay.hooks import Replay
from mixgan_lightning.replay.replayed_gan import ReplayedGAN
from mixgan_lightning.replay.template import Template

__all__ = ["Replay", "ReplayedGAN", "Template"]
