"""The layer tables of the reference (github.com/PrincetonML/MIX-plus-GANs, cifar10/train_mixgan.py)."""

import pytest
import torch
from torch import nn

from mixgan_lightning.errors import ConfigurationError
from mixgan_lightning.networks import Encoder, SGANDiscriminator, SGANGenerator

CIFAR = (3, 32, 32)


def outputs(network, *inputs):
    """The shape that each layer with parameters gives, by kind."""
    shapes = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            layer.register_forward_hook(lambda layer, _, found: shapes.append(tuple(found.shape[1:])))
    network(*inputs)
    return shapes


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_the_generator_is_the_references():
    network = SGANGenerator(CIFAR, 10)
    given = torch.rand(2, 50), torch.tensor([1, 2])
    assert outputs(network, *given) == [(6_400,), (256, 10, 10), (128, 14, 14), (128, 28, 28), (3, 32, 32)]
    dense = 60 * 6_400 + 2 * 6_400
    convolutions = 25 * (256 * 256 + 256 * 128 + 128 * 128 + 128 * 3) + 2 * (256 + 128 + 128) + 3
    assert parameters(network) == dense + convolutions


def test_the_discriminator_is_the_references():
    network = SGANDiscriminator(CIFAR, 10)
    shapes = outputs(network, torch.zeros(2, *CIFAR))
    body = [(96, 32, 32), (96, 16, 16), (192, 16, 16), (192, 8, 8), (192, 6, 6), (192, 6, 6)]
    assert shapes == [*body, (10,), (50,)]
    convolutions = 9 * (3 * 96 + 96 * 96 + 96 * 192 + 192 * 192 + 192 * 192) + 96 + 192 * 192 + 192
    normalised = 2 * (96 + 192 + 192 + 192)
    heads = 192 * 36 * 50 + 50 + 192 * 10 + 10
    assert parameters(network) == convolutions + normalised + heads


def test_the_encoder_is_the_references():
    network = Encoder(CIFAR, 10)
    shapes = outputs(network, torch.zeros(2, *CIFAR))
    assert shapes == [(64, 28, 28), (128, 10, 10), (256,), (10,)]


def test_images_lie_between_minus_one_and_one_and_follow_the_label():
    network = SGANGenerator((1, 16, 16), 3, width=4)
    latents = torch.rand(1, 50).expand(3, 50)
    images = network.eval()(latents, torch.arange(3))
    assert images.shape == (3, 1, 16, 16)
    assert images.abs().max() <= 1
    assert not torch.equal(images[0], images[1])


def test_noise_and_dropout_are_for_training_only():
    network = SGANDiscriminator((1, 16, 16), 3, width=4)
    images = torch.zeros(8, 1, 16, 16)
    assert not torch.equal(network(images)[0], network(images)[0])
    network.eval()
    assert torch.equal(network(images)[0], network(images)[0])


def test_the_noise_has_the_given_deviation():
    network = SGANDiscriminator((1, 16, 16), 3, width=4, noise=0.2)
    seen = []
    network.body[0].register_forward_hook(lambda layer, given, _: seen.append(given[0]))
    network(torch.zeros(400, 1, 16, 16))
    assert abs(seen[0].std() - 0.2) < 0.002


def test_initial_weights_are_the_references():
    g, d = SGANGenerator(CIFAR, 10), SGANDiscriminator(CIFAR, 10)
    assert abs(g.body[4].weight.std() - 0.02) < 1e-3
    assert abs(d.body[2].weight.std() - 0.01) < 1e-3
    assert abs(d.classify.weight.std() - 0.01) < 1e-3
    limit = (6 / (192 * 36 + 50)) ** 0.5  # Glorot & Bengio 2010
    assert 0.95 * limit < d.reconstruct[1].weight.abs().max() <= limit


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 18, 18), (3, 32, 16), (32, 32), (0, 32, 32)])
@pytest.mark.parametrize("network", [SGANGenerator, SGANDiscriminator])
def test_shapes_that_do_not_fit_are_told(network, shape):
    with pytest.raises(ConfigurationError, match="S = 16, 20, 24"):
        network(shape, 10)


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 32, 16), (2,)])
def test_the_encoder_tells_shapes_that_do_not_fit(shape):
    with pytest.raises(ConfigurationError, match="S >= 16"):
        Encoder(shape, 10)


@pytest.mark.parametrize("side", [16, 20, 28, 32, 64])
def test_other_sizes(side):
    g, d = SGANGenerator((1, side, side), 3, width=2), SGANDiscriminator((1, side, side), 3, width=2)
    images = g(torch.rand(4, 50), torch.zeros(4, dtype=torch.long))
    assert images.shape == (4, 1, side, side)
    assert [len(found) for found in d(images)] == [4, 4]
