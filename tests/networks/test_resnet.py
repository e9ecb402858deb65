"""Layer tables of SNGAN (Miyato et al. 2018, Table 4) and WGAN-GP (Gulrajani et al. 2017, Appendix F), and the rest."""

import pytest
import torch
from torch import nn

from mixgan_lightning.errors import ConfigurationError, DataError
from mixgan_lightning.networks import ResNetDiscriminator, ResNetGenerator
from mixgan_lightning.networks.residual import DownBlock, UpBlock

SIDES = [8, 16, 32, 64, 128]


def shapes(network, kinds, *inputs):
    """What the modules of these kinds give, in the order of their calls: (channels, side)."""
    seen = []
    for module in network.modules():
        if isinstance(module, kinds):
            module.register_forward_hook(lambda module, _, out: seen.append((out.shape[1], *out.shape[2:3])))
    network(*inputs)
    return seen


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def conv(n, m, kernel=3):
    return n * m * kernel**2 + m


@pytest.mark.parametrize(("width", "paper"), [(256, "SNGAN"), (128, "WGAN-GP")])
def test_the_generators_table_at_32_pixels(width, paper):
    with torch.device("meta"):
        generator, latents = ResNetGenerator((3, 32, 32), width=width), torch.empty(2, 128)
    kinds = (nn.Unflatten, UpBlock, nn.Tanh)
    assert shapes(generator, kinds, latents) == [(width, 4), (width, 8), (width, 16), (width, 32), (3, 32)]
    block = 2 * conv(width, width) + conv(width, width, 1) + 2 * 2 * width  # two 3×3, the shortcut, two BatchNorms
    dense, end = 129 * 4 * 4 * width, 2 * width + conv(width, 3)
    assert parameters(generator) == dense + 3 * block + end


@pytest.mark.parametrize(("spectral_norm", "sum_pooling"), [(True, True), (False, False)], ids=["SNGAN", "WGAN-GP"])
def test_the_discriminators_table_at_32_pixels(spectral_norm, sum_pooling):
    discriminator = ResNetDiscriminator((3, 32, 32), spectral_norm=spectral_norm, sum_pooling=sum_pooling)
    seen = shapes(discriminator, (DownBlock, nn.Linear), torch.zeros(2, 3, 32, 32))
    assert seen == [(128, 16), (128, 8), (128, 8), (128, 8), (1,)]
    same = 2 * conv(128, 128)
    first = conv(3, 128) + conv(128, 128) + conv(3, 128, 1)
    assert parameters(discriminator) == first + (same + conv(128, 128, 1)) + same + same + 129
    assert not any(isinstance(module, nn.BatchNorm2d) for module in discriminator.modules())


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("num_classes", [None, 3])
def test_every_power_of_two_is_generated_and_scored(side, num_classes):
    shape = (2, side, side)
    labels = () if num_classes is None else (torch.tensor([0, 2, 1]),)
    images = ResNetGenerator(shape, 5, width=2, num_classes=num_classes)(torch.randn(3, 5), *labels)
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    assert ResNetDiscriminator(shape, width=2, num_classes=num_classes)(images, *labels).shape == (3,)


@pytest.mark.parametrize(("side", "last"), [(8, 4), (16, 8), (32, 8), (64, 8), (128, 8)])
def test_blocks_halve_the_side_until_eight_and_two_more_keep_it(side, last):
    discriminator = ResNetDiscriminator((1, side, side), width=1)
    seen = [at for _, at in shapes(discriminator, DownBlock, torch.zeros(1, 1, side, side))]
    assert seen[-3:] == [last] * 3
    assert all(before == 2 * after for before, after in zip([side, *seen[:-3]], seen[:-2], strict=True))


def test_spectral_norms_of_all_weights_become_one_and_those_of_wgan_gp_stay():
    discriminator = ResNetDiscriminator((1, 16, 16), width=4, num_classes=3)
    images, labels = torch.zeros(1, 1, 16, 16), torch.tensor([0])
    for _ in range(100):  # each call is a step of the power iteration
        discriminator(images, labels)
    layers = [m for m in discriminator.eval().modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 3 + 2 + 2 + 2  # the first block, two more, the head, the projection
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2) == pytest.approx(1, abs=1e-4)
    plain = ResNetDiscriminator((1, 16, 16), width=4, spectral_norm=False)
    assert not any("parametrizations" in name for name, _ in plain.named_parameters())


def test_pooling_is_a_sum_or_a_mean():
    by_sum = ResNetDiscriminator((1, 16, 16), width=4, spectral_norm=False)
    by_mean = ResNetDiscriminator((1, 16, 16), width=4, spectral_norm=False, sum_pooling=False)
    by_mean.load_state_dict(by_sum.state_dict())
    images = torch.randn(3, 1, 16, 16)
    assert torch.allclose(by_sum(images), 64 * by_mean(images), atol=1e-5)  # biases of the head are 0 at the start


def test_labels_are_judged_by_projection_on_the_pooled_features():
    """Miyato & Koyama 2018, Eq. 3: the score is linear in the class's embedding."""
    discriminator = ResNetDiscriminator((1, 8, 8), width=4, num_classes=3, spectral_norm=False)
    images, first, second = torch.randn(5, 1, 8, 8), torch.zeros(5).long(), torch.ones(5).long()
    features = discriminator.blocks(images).sum((2, 3))
    embeddings = discriminator.embed.weight.T
    expected = features @ (embeddings[1] - embeddings[0])
    assert torch.allclose(discriminator(images, second) - discriminator(images, first), expected, atol=1e-5)


def test_labels_change_what_a_conditional_generator_makes():
    generator = ResNetGenerator((1, 8, 8), 4, width=4, num_classes=3)
    for norm in (generator.blocks[0].norm1, generator.blocks[0].norm2):
        nn.init.normal_(norm.shifts)  # they start alike
    latents = torch.randn(1, 4).expand(3, 4)
    images = generator.eval()(latents, torch.tensor([0, 1, 2]))
    assert not torch.equal(images[0], images[1])
    with pytest.raises(DataError, match="none came"):
        generator(latents)


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 28, 28), (3, 256, 256), (1, 32, 16), (32, 32), (0, 32, 32), (2,)])
def test_shapes_that_cannot_work_are_refused(shape):
    for build in (ResNetGenerator, ResNetDiscriminator):
        with pytest.raises(ConfigurationError, match="one of 8, 16, 32, 64, 128"):
            build(shape)
