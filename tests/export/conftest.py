"""Small mixtures of the architectures that are exported, with BatchNorm statistics of their own."""

import pytest
import torch
from torch import nn

from mixgan_lightning import GAN, mix
from mixgan_lightning.networks import (
    DCGANDiscriminator,
    DCGANGenerator,
    MLPDiscriminator,
    MLPGenerator,
    ResNetDiscriminator,
    ResNetGenerator,
)
from mixgan_lightning.sampling import own_stream

SHAPE, WEIGHTS = (1, 8, 8), [0.6, 0.3, 0.1]
FACTORIES = {
    "mlp": lambda: GAN(MLPGenerator(SHAPE), MLPDiscriminator(SHAPE), latent_dim=8),
    "dcgan": lambda: GAN(DCGANGenerator(SHAPE, 10, width=4), DCGANDiscriminator(SHAPE, 4), latent_dim=10),
    "cdcgan": lambda: GAN(
        DCGANGenerator(SHAPE, 10, 4, num_classes=3), DCGANDiscriminator(SHAPE, 4, 3), latent_dim=10, num_classes=3
    ),
    "conditional batchnorm": lambda: GAN(
        ResNetGenerator(SHAPE, 10, width=4, num_classes=3),
        ResNetDiscriminator(SHAPE, width=4, num_classes=3),
        latent_dim=10,
        num_classes=3,
    ),
}


def build(name):
    with own_stream(torch.device("cpu"), 0):
        weights = WEIGHTS if name != "conditional batchnorm" else [0.7, 0.3]  # many layers, slow to export
        model = mix(FACTORIES[name], len(weights))
        model.generators.log_probabilities.data = torch.tensor(weights).log()
        for module in model.generators.components.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
            for parameter in module.parameters(recurse=False):  # networks that start nearly black hide differences
                parameter.data += 0.1 * torch.randn_like(parameter)
    return model


@pytest.fixture(scope="session")
def mixtures():
    """Each by its name; to be read, not changed."""
    return {name: build(name) for name in FACTORIES}


@pytest.fixture
def given():
    """``given(model, n, seed=0)``: n rows of inputs, and what the model itself makes of them."""

    def make(model, n, seed=0):
        with own_stream(torch.device("cpu"), seed), torch.no_grad():
            h0, latents = torch.randn(n), torch.randn(n, model.gan.latent_dim)
            labels = None if model.gan.num_classes is None else torch.randint(model.gan.num_classes, (n,))
            bounds = torch.distributions.Normal(0, 1).icdf(model.generators.weights.cumsum(0)[:-1])
            components = (h0[:, None] > bounds).sum(1)
            model.eval()
            expected = model.sampler.generate(latents, labels, components)
        return (h0, latents) if labels is None else (h0, latents, labels), expected

    return make
