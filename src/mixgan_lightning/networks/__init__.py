"""Network architectures, one a file."""

from mixgan_lightning.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from mixgan_lightning.networks.mlp import MLPDiscriminator, MLPGenerator

__all__ = ["DCGANDiscriminator", "DCGANGenerator", "MLPDiscriminator", "MLPGenerator"]
