"""Network architectures, one a file."""

from mixgan_lightning.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from mixgan_lightning.networks.encoder import Encoder
from mixgan_lightning.networks.minibatch import MinibatchDiscrimination
from mixgan_lightning.networks.mlp import MLPDiscriminator, MLPGenerator
from mixgan_lightning.networks.resnet import ResNetDiscriminator, ResNetGenerator
from mixgan_lightning.networks.sgan import SGANDiscriminator, SGANGenerator

__all__ = [
    "DCGANDiscriminator",
    "DCGANGenerator",
    "Encoder",
    "MLPDiscriminator",
    "MLPGenerator",
    "MinibatchDiscrimination",
    "ResNetDiscriminator",
    "ResNetGenerator",
    "SGANDiscriminator",
    "SGANGenerator",
]
